#!/bin/sh
# Makes the secrets of compose.yml in the folder `secrets` beside it. A secret that is there stays.
#
# Docker shows each file to the container as it is, and Hubbub runs there under a number that owns
# none of them. So everybody may read the files, but only their owner can enter the folder.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

make() {
	if [ ! -e "secrets/$1" ]; then
		printf '%s\n' "$2" >"secrets/$1"
		echo "made secrets/$1"
	fi
	chmod 0444 "secrets/$1"
}

make database_password "$(random)"
# The database's own certificate is enough: nobody else is in this network.
make database_url "mysql+asyncmy://hubbub:$(cat secrets/database_password)@db/hubbub?tls=required"
make secret_key "$(random)"
make metrics_token "$(random)"
make github_webhook_secret "$(random)"
if [ -e secrets/github_private_key ]; then
	chmod 0444 secrets/github_private_key
else
	echo "Now copy the App's private key, the .pem file, to $(pwd)/secrets/github_private_key" >&2
	echo "and run this again. Put HUBBUB_GITHUB_APP_ID and HUBBUB_DOMAIN into $(pwd)/.env." >&2
fi
