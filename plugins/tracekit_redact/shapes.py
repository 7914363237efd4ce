"""Keys and tokens that are known by how they begin: a prefix that their issuer gives them, then letters and digits.

`least` is well below the real length, so that shortened and made-up ones are masked too, and well above what words
that begin alike have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tracekit_redact.found import Found, begins_word
from tracekit_redact.triggers import END, Trigger

__all__ = ["SHAPES", "Shape", "shape_triggers"]

_WORD = "A-Za-z0-9_-"
_ALNUM = "A-Za-z0-9"
_UPPER = "A-Z0-9"
_HEX = "a-f0-9"
_DOTTED = "A-Za-z0-9_.-"
_BASE64 = "A-Za-z0-9+/=_.-"
_PATH = "A-Za-z0-9_/-"

# As many characters must follow a prefix before it is looked at closely.
_GLANCE = 12

# An unfinished one longer than this is none: those that have no issuer's digits in them never end.
_UNFINISHED = 512


class Shape(NamedTuple):
    """How the keys of one issuer look."""

    kind: str
    prefixes: str
    """Parted by spaces."""
    body: str = _WORD
    """Characters of what follows the prefix, as in a character class."""
    least: int = 16
    digits: bool = False
    """Without a digit or a capital near its beginning it is an ordinary word."""
    exact: bool = False
    """Exactly `least` characters follow."""


SHAPES = (
    # Models and what surrounds them
    Shape("openai-key", "sk-proj- sk-svcacct- sk-admin- sk-None-", least=12),
    Shape("openai-key", "sk-", least=16, digits=True),
    Shape("anthropic-key", "sk-ant-", least=12),
    Shape("openrouter-key", "sk-or-", least=12),
    Shape("langfuse-key", "sk-lf-", least=12),
    Shape("stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", least=12),
    Shape("google-key", "AIza", least=24),
    Shape("google-secret", "GOCSPX-"),
    Shape("google-token", "ya29.", _DOTTED, 20),
    Shape("google-token", "1//0", least=24),
    Shape("groq-key", "gsk_", _ALNUM),
    Shape("xai-key", "xai-", _ALNUM),
    Shape("perplexity-key", "pplx-", _ALNUM),
    Shape("replicate-key", "r8_", _ALNUM),
    Shape("hugging-face-token", "hf_ api_org_", _ALNUM, 20),
    Shape("cerebras-key", "csk-", _ALNUM, 20),
    Shape("fireworks-key", "fw_", _ALNUM, 20),
    Shape("nvidia-key", "nvapi-"),
    Shape("tavily-key", "tvly-"),
    Shape("jina-key", "jina_", _ALNUM, 20),
    Shape("firecrawl-key", "fc-", _HEX, 24),
    Shape("e2b-key", "e2b_", _HEX, 20),
    Shape("langsmith-key", "lsv2_pt_ lsv2_sk_"),
    Shape("pinecone-key", "pcsk_"),
    Shape("posthog-key", "phx_", _ALNUM, 20),
    # Clouds and hosting
    Shape("aws-key-id", "AKIA ASIA ABIA ACCA", _UPPER, 16, exact=True),
    Shape("alibaba-key-id", "LTAI", _ALNUM, 14, digits=True),
    Shape("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", _HEX),
    Shape("heroku-key", "HRKU-"),
    Shape("flyio-token", "fo1_ FlyV1_ fm2_", _BASE64, 24),
    Shape("render-key", "rnd_", _ALNUM, 20),
    Shape("netlify-token", "nfp_", _ALNUM, 20),
    Shape("cloudflare-key", "v1.0-", _HEX, 24),
    Shape("terraform-token", "atlasv1.", _DOTTED, 24),
    Shape("vault-token", "hvs. hvb. hvr.", least=20),
    Shape("doppler-token", "dp.pt. dp.st. dp.ct. dp.sa.", _DOTTED),
    Shape("pulumi-token", "pul-", _HEX, 24),
    Shape("onepassword-token", "ops_eyJ", least=20),
    Shape("age-key", "AGE-SECRET-KEY-1", _UPPER),
    # Databases
    Shape("databricks-token", "dapi", _HEX, 32),
    Shape("planetscale-token", "pscale_tkn_ pscale_pw_ pscale_oauth_", _DOTTED),
    Shape("supabase-key", "sbp_ sb_secret_", least=20),
    # Code and packages
    Shape("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", _ALNUM),
    Shape("github-token", "github_pat_"),
    Shape("gitlab-token", "glpat- gldt- glrt- glptt- glcbt- glsoat- gloas- glimt- glagent-", _DOTTED, 12),
    Shape("npm-token", "npm_", _ALNUM, 20),
    Shape("pypi-token", "pypi-"),
    Shape("rubygems-key", "rubygems_", _HEX),
    Shape("docker-token", "dckr_pat_ dckr_oat_"),
    Shape("circleci-token", "CCIPAT_"),
    Shape("buildkite-token", "bkua_", _HEX),
    Shape("sonar-token", "squ_ sqp_ sqa_", _HEX, 24),
    Shape("sentry-token", "sntrys_ sntryu_", _BASE64),
    Shape("postman-key", "PMAK-"),
    # Messages, mail and payment
    Shape("slack-token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xoxo- xoxe.xoxp- xapp-", _DOTTED, 12, digits=True),
    Shape("slack-webhook", "hooks.slack.com/services/", _PATH, 20),
    Shape("discord-webhook", "discord.com/api/webhooks/ discordapp.com/api/webhooks/", _PATH, 20),
    Shape("sendgrid-key", "SG.", _DOTTED, 24, digits=True),
    Shape("twilio-key", "SK", _HEX, 32, exact=True),
    Shape("mailgun-key", "key-", _HEX, 32),
    Shape("brevo-key", "xkeysib-", least=20),
    Shape("square-token", "sq0atp- sq0csp-"),
    Shape("shopify-token", "shpat_ shpca_ shppa_ shpss_", _ALNUM),
    Shape("facebook-token", "EAAC EAAB EAAG EAAJ", _ALNUM, 40, digits=True),
    # Work
    Shape("atlassian-token", "ATATT3", "A-Za-z0-9_=-", 24),
    Shape("notion-token", "ntn_", _ALNUM, 24),
    Shape("linear-key", "lin_api_ lin_oauth_", _ALNUM),
    Shape("hubspot-token", "pat-na1- pat-eu1-", "a-f0-9-", 24),
    Shape("figma-token", "figd_"),
    Shape("contentful-token", "CFPAT-"),
    Shape("grafana-token", "glsa_ glc_", _BASE64, 20),
    Shape("new-relic-key", "NRAK- NRII- NRJS-"),
)


class _Prefixed:
    """Finds the keys of one shape that begin with one prefix."""

    def __init__(self, shape: Shape, prefix: str) -> None:
        self._kind = shape.kind
        self._prefix = len(prefix)
        digits = f"(?=[{shape.body}]{{0,32}}[0-9A-Z])" if shape.digits else ""
        end = f"(?![{_ALNUM}])" if shape.exact else ""
        self._body = re.compile(f"{digits}[{shape.body}]{{{shape.least}}}{end}").match
        self._run = re.compile(f"[{shape.body}]*" if not shape.exact else "").match
        self._most = shape.least if shape.exact else _UNFINISHED
        self._unfinished = re.compile(f"[{shape.body}]*").fullmatch

    def __call__(self, text: str, at: int) -> Found | None:
        if not begins_word(text, at):
            return None
        after = at + self._prefix
        body = self._body(text, after)
        if body is None:
            if len(text) - after > self._most or not self._unfinished(text, after):
                return None
            return Found(at, len(text), self._kind, complete=False, open=True)
        run = self._run(text, body.end())
        stop = run.end() if run else body.end()
        is_open = stop == len(text)
        # A full stop behind it belongs to the sentence.
        return Found(at, stop if is_open else stop - (text[stop - 1] == "."), self._kind, open=is_open)


def shape_triggers() -> Iterator[Trigger]:
    """A trigger for each prefix of each shape."""
    follow = f"[{_BASE64}]{{{_GLANCE}}}|[{_BASE64}]{{0,{_GLANCE - 1}}}+(?:\\Z|{END})"
    for shape in SHAPES:
        for prefix in shape.prefixes.split():
            yield Trigger(prefix, _Prefixed(shape, prefix), follow, holds_from=1)
