"""The model card: what a district should know about a stored model, in words."""

from __future__ import annotations

import pandas as pd

__all__ = ["card_text"]

_LIMITS = """\
## Limits

- A score orders the apps of one student; it is no probability and does not compare
  between students or models.
- Recommended is what similar students use, not what was proven to help. "Associated
  with improvement" is an adjusted association with a placebo check; no experiment.
- Apps that nobody in the district used cannot be recommended; new apps come in slowly.
- Accuracy was measured on hidden past use: it says how well use is foreseen.
"""


def _tables(described: dict, validation: pd.DataFrame) -> list[str]:
    lines = []
    for task, scorer in described["scorers"].items():
        what = {
            "complete": "which apps belong with a history (whole students held out)",
            "next": "which app comes next (the last fifth of every student held out)",
        }[task]
        lines += [f"## Task `{task}`: {what}", "", "Chosen:", ""]
        for part in scorer["blend"]:
            decay = part["tau_days"]
            aged = "" if decay is None else f", use fades with {decay:.3g} days"
            setting = ", ".join(f"{k} {v}" for k, v in part["setting"].items())
            lines.append(
                f"- {part['member']} ({setting}){aged}, weight {part['weight']}"
            )
        tried = validation[validation["task"] == task]
        if tried["ndcg_10"].notna().any():
            found: dict[str, list[float]] = {}
            for member, ndcg in zip(tried["member"], tried["ndcg_10"], strict=True):
                found.setdefault(member, []).append(ndcg)
            lines += ["", "| member | settings tried | best NDCG@10 |", "|-|-|-|"]
            lines += [
                f"| {member} | {len(found[member])} | {max(found[member]):.4f} |"
                for member in sorted(found, key=lambda m: (-max(found[m]), m))
            ]
        else:
            lines += ["", "Too few students to validate on: a fixed, damped member."]
        bands = scorer["ndcg_by_band"]
        if bands:
            lines += ["", "| band | students | NDCG@10 |", "|-|-|-|"]
            lines += [
                f"| {band} | {one['students']} | {one['ndcg_10']:.4f} |"
                for band, one in bands.items()
            ]
        lines.append("")
    return lines


def _searched(described: dict) -> list[str]:
    if "chosen_with" in described:
        return [
            "- settings chosen with other small districts, by the students of the"
            f" largest of them ({described['chosen_with']}): NDCG@10 below is theirs"
        ]
    if "chosen_on" in described:
        return [f"- settings chosen by the build of {described['chosen_on']}"]
    return []


def card_text(described: dict, validation: pd.DataFrame, effects: pd.DataFrame) -> str:
    """Return the card as markdown.

    Parameters
    ----------
    described : dict
        model.json.
    validation : DataFrame
        Everything tried.
    effects : DataFrame
        The outcome estimates of the district.
    """
    window = " to ".join(described.get("training_window", [])) or "unknown"
    lines = [
        f"# Recommendation model of {described['district_id']}",
        "",
        f"- use from {window}",
        f"- {described['students']} students with use, "
        f"{len(described['apps'])} eligible apps",
        f"- pooled students of other districts: {described['kappa']:g}",
        f"- seed {described['random_state']}, "
        f"data {described.get('fingerprint', '')[:12]}",
        *_searched(described),
        "",
        *_tables(described, validation),
        "## Outcome estimates",
        "",
    ]
    if len(effects):
        n = int(effects["is_associated"].astype(bool).sum())
        lines.append(
            f"{len(effects)} apps had 30 students or more on either side; "
            f'{n or "none"} passed the bar for "associated with improvement".'
        )
    else:
        lines.append("No app had enough students with and without it: no estimate.")
    return "\n".join([*lines, "", _LIMITS])
