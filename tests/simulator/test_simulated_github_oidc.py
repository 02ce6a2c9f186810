"""The simulated GitHub issues tokens to jobs of Actions."""

from typing import Any

import jwt

from fixtures.github import WorkflowRun
from fixtures.github.oidc import DISCOVERY, LIFETIME
from tests.support.github_client import Acme

AUDIENCE = "https://hubbub.example.com"
# What GitHub documents for every token of a job. An enterprise or properties of a repository add
# more.
CLAIMS = {
    *("aud", "exp", "iat", "iss", "jti", "nbf", "sub"),
    *("actor", "actor_id", "base_ref", "check_run_id", "event_name", "head_ref"),
    *("job_workflow_ref", "job_workflow_sha", "ref", "ref_protected", "ref_type"),
    *("repository", "repository_id", "repository_owner", "repository_owner_id"),
    *("repository_visibility", "run_attempt", "run_id", "run_number", "runner_environment"),
    *("sha", "workflow", "workflow_ref", "workflow_sha"),
}
TIMES = {"iat", "nbf", "exp"}


def started(acme: Acme) -> WorkflowRun:
    ci = acme.github.ci
    run = ci.request_run(acme.web, acme.web.branches["main"], "Agent", event="workflow_dispatch")
    ci.start_run(run)
    return run


async def check(acme: Acme, token: str) -> dict[str, Any]:
    """The claims, if a published key signed them."""
    configuration = (await acme.send("GET", DISCOVERY)).data
    published = jwt.PyJWKSet.from_dict((await acme.send("GET", configuration["jwks_uri"])).data)
    key = published[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(
        token, key, ["RS256"], options, audience=AUDIENCE, issuer=configuration["issuer"]
    )
    return claims


async def test_a_token_has_the_claims_that_github_documents(acme: Acme) -> None:
    run = started(acme)
    claims = await check(acme, acme.github.oidc.token(run, AUDIENCE))
    assert claims.keys() == CLAIMS
    assert {name for name, each in claims.items() if not isinstance(each, str)} == TIMES
    assert claims["exp"] - claims["iat"] == LIFETIME
    assert (claims["repository_id"], claims["run_id"]) == (str(acme.web.id), str(run.id))
    assert claims["workflow_ref"] == "acme/web/.github/workflows/agent.yml@refs/heads/main"
    assert claims["sub"] == "repo:acme/web:ref:refs/heads/main"


async def test_each_token_has_an_id_of_its_own(acme: Acme) -> None:
    run = started(acme)
    claims = [await check(acme, acme.github.oidc.token(run, AUDIENCE)) for _ in range(2)]
    assert claims[0]["jti"] != claims[1]["jti"]


async def test_a_token_stays_valid_when_the_key_changes_until_the_old_one_goes(
    acme: Acme,
) -> None:
    issuer, run = acme.github.oidc, started(acme)
    token = issuer.token(run, AUDIENCE)
    issuer.rotate()
    await check(acme, token)
    await check(acme, issuer.token(run, AUDIENCE))
    issuer.rotate(keep=False)
    assert [each["kid"] for each in (await keys(acme))] == [issuer.kid]


async def keys(acme: Acme) -> list[dict[str, str]]:
    configuration = (await acme.send("GET", DISCOVERY)).data
    found: list[dict[str, str]] = (await acme.send("GET", configuration["jwks_uri"])).data["keys"]
    return found


async def test_a_runner_gets_a_token_for_the_audience_that_it_names(acme: Acme) -> None:
    run = started(acme)
    (job,) = run.latest_jobs
    variables = acme.github.oidc.runner(job)
    url = f"{variables['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={AUDIENCE}"
    secret = variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    given = await acme.send("GET", url, Authorization=f"bearer {secret}")
    assert (await check(acme, given.data["value"]))["check_run_id"] == str(job.id)
    assert (await acme.send("GET", url, Authorization="bearer other")).status == 401
    acme.github.ci.finish_run(run)
    assert (await acme.send("GET", url, Authorization=f"bearer {secret}")).status == 401
