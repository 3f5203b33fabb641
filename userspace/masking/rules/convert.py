"""Converts gitleaks' config/gitleaks.toml to tokens.toml.

usage: python3 convert.py gitleaks.toml > tokens.toml

The source is MIT (LICENSE-gitleaks). What changes:
- a rule is anchored at its keyword, so that it costs nothing where the keyword is absent;
- the shared "name, separator, quotes" prefix of named assignments is code (src/detect/assignment.rs)
  and only the value's expression stays here;
- word borders and closing delimiters become `start` and `end`, so that the expressions have no
  look-around and tests can generate samples from them;
- allow lists are dropped: masking a placeholder harms nobody.
Rules for files, and those that only mean something with a file name, are left out.
"""
import re
import re._parser as sre
import sys
import tomllib

NAME_TAIL = r"""(?:[ \t\w.-]{0,20})[\s'"]{0,3}"""
SEPARATOR = r"""(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}"""
CLOSE = r"""(?:[\x60'"\s;]|\\[nr]|$)"""
# Other detectors do these, or they need a file name or a whole fragment to mean anything.
SKIP = {
    "generic-api-key", "private-key", "jwt", "jwt-base64", "pkcs12-file", "freemius-secret-key",
    "nuget-config-password", "hashicorp-tf-password", "kubernetes-secret-yaml", "curl-auth-header",
    "curl-auth-user", "facebook-access-token", "sidekiq-sensitive-url", "sourcegraph-access-token",
    "atlassian-api-token", "azure-ad-client-secret", "maxmind-license-key", "openai-api-key",
    "openshift-user-token", "perplexity-api-key", "sentry-org-token", "twilio-api-key",
    "vault-service-token", "telegram-bot-api-token", "sumologic-access-id", "square-access-token",
    "slack-webhook-url", "nytimes-access-token", "looker-client-id", "asana-client-id",
    "discord-client-id", "1password-secret-key", "aws-amazon-bedrock-api-key-long-lived",
    "dropbox-api-token", "hashicorp-tf-api-token", "microsoft-teams-webhook",
}
# Keywords that are not where the expression begins: the rule could never match there.
ELSEWHERE = {("intra42-client-secret", "intra"), ("cloudflare-origin-ca-key", "cloudflare")}


def plain(expression):
    """The expression as Python reads it: widths do not depend on case."""
    return re.sub(r"\(\?-?i\)", "", re.sub(r"\(\?-?i:", "(?:", expression)).replace(r"\z", r"\Z")


def window(expression):
    widest = sre.parse(plain(expression)).getwidth()[1]
    return min(int(widest) + 4, 2048)


def one_group(expression):
    """`(X)` without its group, when the group is the whole expression."""
    depth = 0
    if not expression.startswith("(") or expression.startswith("(?"):
        return expression
    for at, char in enumerate(expression):
        escaped = at > 0 and expression[at - 1] == "\\"
        depth += (char == "(" and not escaped) - (char == ")" and not escaped)
        if depth == 0:
            return expression[1:-1] if at == len(expression) - 1 else expression
    return expression


def convert(rule):
    # A dot that means a dot.
    text, ignore_case = rule["regex"].replace("xoxe.xox", r"xoxe\.xox"), False
    end = "any"
    if text.endswith(CLOSE):
        text, end = text[: -len(CLOSE)], "delimiter"
    elif text.endswith(r"\b"):
        text, end = text[:-2], "word"
    joint = NAME_TAIL + SEPARATOR
    joint_inner = NAME_TAIL + ")" + SEPARATOR
    for mark in (joint, joint_inner):
        if mark in text:
            names, value = text.split(mark, 1)
            ignore_case = names.startswith("(?i)")
            value = one_group(value)
            keywords = rule["keywords"]
            by_value = [k for k in keywords if plain(value).lower().replace("\\", "").startswith(k)]
            shaped = "(?i)" + value if ignore_case else value
            if by_value:
                return dict(keywords=by_value, regex=shaped, start="word", end=end)
            return dict(keywords=keywords, value=shaped, end=end)
    if text.startswith("(?i)"):
        text, ignore_case = text[4:], True
    start = "any"
    if text.startswith(r"\b"):
        text, start = text[2:], "word"
    text = one_group(text)
    if ignore_case:
        text = "(?i)" + text
    return dict(keywords=rule["keywords"], regex=text, start=start, end=end)


def without_groups(expression):
    """Groups that capture made to only group: a group that captures names the secret here."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", expression)


def emit(identity, fields, entropy):
    kept = [k for k in fields["keywords"] if (identity, k) not in ELSEWHERE]
    fields = {**fields, "keywords": kept}
    print("\n[[rule]]")
    print(f'id = "{identity}"')
    print("keywords = [" + ", ".join(f'"{k}"' for k in fields["keywords"]) + "]")
    for key in ("regex", "value"):
        if key in fields:
            print(f"{key} = '''{without_groups(fields[key])}'''")
            print(f"window = {window(fields[key])}")
    if fields.get("start", "any") != "any":
        print(f'start = "{fields["start"]}"')
    if fields["end"] != "any":
        print(f'end = "{fields["end"]}"')
    if entropy:
        print(f"entropy = {float(entropy)}")


def main(path):
    with open(path, "rb") as source:
        rules = tomllib.load(source)["rules"]
    print("# Converted from gitleaks' config/gitleaks.toml by convert.py; see LICENSE-gitleaks.")
    print("# https://github.com/gitleaks/gitleaks, Copyright (c) 2019 Zachary Rice, MIT.")
    print("# Source: the copy of 211 rules in stakpak-shared 0.3.82 on crates.io.")
    print("# Do not edit: rules of our own are in own.toml.")
    for rule in rules:
        if "regex" in rule and rule["id"] not in SKIP:
            emit(rule["id"], convert(rule), rule.get("entropy"))


main(sys.argv[1])
