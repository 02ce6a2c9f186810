#!/bin/sh
# Prepares this machine for hubbub.service, as root: a user, a database, the settings, the secrets
# and the units. What is there already stays, so it may be run again.
#
#   sudo docs/deploy/systemd/set-up.sh APP_ID PRIVATE_KEY.pem https://hubbub.example.com [.env]
#
# The last one is the file that `hubbub setup` wrote: the webhook secret is taken from it.
# The database is a MariaDB or MySQL on this machine, in which root may log in without a password.
# DESTDIR installs below another folder, and MARIADB names another client, for example with options.
set -eu
app_id=${1:?the App ID}
key=${2:?the path of the private key of the App}
address=${3:?the address of this server, such as https://hubbub.example.com}
given=${4:-}
for each in "$key" ${given:+"$given"}; do
	test -r "$each" || { echo "$each cannot be read" >&2; exit 1; }
done
key=$(realpath "$key")
given=${given:+$(realpath "$given")}
root=${DESTDIR:-}
config=$root/etc/hubbub
secrets=$config/credentials
mariadb=${MARIADB:-mariadb}
cd "$(dirname "$0")"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

getent passwd hubbub >/dev/null ||
	useradd --system --user-group --home-dir /var/lib/hubbub --shell /usr/sbin/nologin hubbub
install -d -m 0755 "$config"
install -d -m 0750 -g hubbub "$secrets"
install -d -m 0700 -o hubbub -g hubbub "$root/var/lib/hubbub"

# Each secret is a file that root writes and hubbub reads.
put() {
	if [ ! -e "$secrets/$1" ]; then
		(umask 077 && cat >"$secrets/$1")
		echo "made $secrets/$1"
	fi
}

if [ ! -e "$secrets/database_url" ]; then
	password=$(random)
	$mariadb <<-SQL
		CREATE DATABASE IF NOT EXISTS hubbub;
		CREATE OR REPLACE USER hubbub@localhost IDENTIFIED BY '$password';
		CREATE OR REPLACE USER hubbub@'127.0.0.1' IDENTIFIED BY '$password';
		GRANT ALL ON hubbub.* TO hubbub@localhost, hubbub@'127.0.0.1';
	SQL
	echo "mysql+asyncmy://hubbub:$password@127.0.0.1:${MARIADB_PORT:-3306}/hubbub" | put database_url
fi
random | put secret_key
if [ -n "$given" ] && grep -q '^HUBBUB_GITHUB_WEBHOOK_SECRET=.' "$given"; then
	sed -n 's/^HUBBUB_GITHUB_WEBHOOK_SECRET=//p' "$given" | tr -d "\"'\n" | put github_webhook_secret
fi
random | put github_webhook_secret
put github_private_key <"$key"
# Also of those that somebody wrote before.
chgrp hubbub "$secrets"/*
chmod 0640 "$secrets"/*

if [ ! -e "$config/hubbub.env" ]; then
	sed "s#^HUBBUB_GITHUB_APP_ID=.*#HUBBUB_GITHUB_APP_ID=$app_id#
		s#^HUBBUB_PUBLIC_URL=.*#HUBBUB_PUBLIC_URL=$address#" hubbub.env >"$config/hubbub.env"
	echo "made $config/hubbub.env"
fi
install -D -m 0644 -t "$root/etc/systemd/system" hubbub.service hubbub-migrate.service
install -D -m 0755 -t "$root/usr/local/sbin" hubbub-admin
echo "Set the App's webhook address to $address/webhooks/github, and its webhook secret to the text"
echo "in $secrets/github_webhook_secret."
