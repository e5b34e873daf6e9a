"""The site's firewall in nft's words: the model's rules, and gateways that only their own network sees. Pure."""

from __future__ import annotations

from evenet_core.lab.model import FirewallRule, NetworkModel

__all__ = ["ruleset"]

_FAMILY = {4: "ip", 6: "ip6"}
_VERDICTS = {"allow": "accept", "drop": "drop", "reject": "reject"}


def ruleset(model: NetworkModel) -> str:
    """First match decides, no match passes, replies always do."""
    rules = "\n".join(f"        {line}" for rule in model.firewall for line in _lines(rule))
    return f"""\
table inet lab {{
    chain forward {{
        type filter hook forward priority 0; policy accept;
        ct state established,related accept
{rules}
    }}
    chain input {{
        type filter hook input priority 0; policy accept;
        iifname "br*" fib daddr . iif type != {{ local, broadcast, multicast, anycast }} reject
    }}
}}
"""


def _lines(rule: FirewallRule) -> list[str]:
    """One line for each IP version that the rule can be about."""
    subnets = [(word, net) for word, net in (("saddr", rule.source), ("daddr", rule.destination)) if net is not None]
    if len({net.version for _, net in subnets}) > 1:
        return []
    parts = [f"{_FAMILY[net.version]} {word} {net}" for word, net in subnets]
    if rule.protocol == "icmp":
        parts.append("meta l4proto { icmp, ipv6-icmp }")
    elif rule.protocol in ("tcp", "udp"):
        parts.append(f"meta l4proto {rule.protocol}")
        if rule.ports:
            parts.append(f"th dport {{ {', '.join(map(str, rule.ports))} }}")
    verdict = _VERDICTS[rule.action]
    if rule.action == "reject" and rule.protocol == "tcp":
        verdict = "reject with tcp reset"
    return [" ".join((*parts, verdict))]
