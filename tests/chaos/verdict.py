"""What a run has come to, as a table and as JSON."""

from __future__ import annotations

import os
import platform
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tests.chaos.kinds import CRASHES, KILLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.chaos.run import Outcome

_SHOWN = 50


def verdict(outcome: Outcome, impossible: Mapping[str, str]) -> dict[str, Any]:
    """The figures, as JSON types."""
    plan, happened = outcome.plan, outcome.happened
    told = [outcome.facts.ledger.told[each.number] for each in plan.operations if each.number in outcome.facts.ledger.told]
    broken = Counter(violation.what for violation in outcome.violations)
    made = Counter(fault.kind for fault in happened.made)
    kinds = {kind: {"made": made[kind], "longest_recovery_seconds": _rounded(happened.longest_recovery(kind))} for kind in sorted(made)}
    kills = [seconds for faults, seconds in happened.recoveries if len(faults) == 1 and faults[0].kind in {*KILLS, *CRASHES}]
    return {
        "seed": plan.seed,
        "plan": plan.digest,
        "clients": plan.clients,
        "operations": {
            "planned": len(plan.operations),
            "begun": outcome.begun,
            "answered": sum(each.status != 0 for each in told),
            "unanswered": sum(each.status == 0 for each in told),
            "with_nothing_to_do": len(outcome.facts.ledger.skipped),
            "by_status": dict(sorted(Counter(str(each.status) for each in told).items())),
            "retries": outcome.retries,
            "probes": len(outcome.facts.probes),
        },
        "faults": {
            "planned": len(plan.faults),
            "made": len(happened.made),
            "together": sum(len(faults) for faults, _ in happened.recoveries if len(faults) > 1),
            "kinds": kinds,
            "hindered": [{"kind": fault.kind, "arguments": fault.arguments, "why": why[:300]} for fault, why in happened.hindered],
            "not_possible_here": {kind: why for kind, why in impossible.items() if why},
        },
        "lost": broken["lost"],
        "doubled": broken["doubled"],
        "invented": broken["invented"],
        "other_violations": sum(count for what, count in broken.items() if what not in {"lost", "doubled", "invented"}),
        "violations": [{"what": each.what, "detail": each.detail} for each in outcome.violations[:_SHOWN]],
        "stale_reads_while_healing": outcome.facts.ledger.stale_reads,
        "revived_by_the_operator": happened.revivals,
        "longest_recovery_from_a_single_kill_seconds": _rounded(max(kills, default=None)),
        "seconds": round(outcome.seconds, 1),
        "settling_seconds": round(outcome.settling_seconds, 1),
        "operations_per_second": round(outcome.begun / outcome.seconds, 1),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
        "clean": not outcome.violations,
    }


def tables(document: Mapping[str, Any]) -> list[Table]:
    """The same for a person."""
    operations, faults = document["operations"], document["faults"]
    whole = Table("what", "figure", "how it was measured", title="Chaos: the verdict")
    for row in (
        ("seed, plan", f"{document['seed']}, {document['plan']}", "the same seed, OPS and FAULTS make the same plan"),
        ("operations", f"{operations['begun']:,} of {operations['planned']:,}", f"by {document['clients']} clients through the gateway"),
        ("answered", f"{operations['answered']:,}", ", ".join(f"{status}: {n:,}" for status, n in operations["by_status"].items())),
        ("unanswered", f"{operations['unanswered']:,}", "given up by the client: may be there once or not at all"),
        ("retries", f"{sum(operations['retries'].values()):,}", ", ".join(f"{why}: {n:,}" for why, n in operations["retries"].items())),
        ("faults", f"{faults['made']:,} of {faults['planned']:,}", f"{faults['together']:,} of them two or three together"),
        ("lost", f"{document['lost']:,}", "what a client was told, or an event, that is not there"),
        ("doubled", f"{document['doubled']:,}", "what is there more than once"),
        ("invented", f"{document['invented']:,}", "what is there and was asked for by nobody"),
        (
            "other violations",
            f"{document['other_violations']:,}",
            "negative, undecided, undelivered, stale, dead, sums, unexpected answers",
        ),
        ("stale reads", f"{document['stale_reads_while_healing']:,}", "of what the client had changed itself, while things were broken"),
        ("consumers revived", f"{document['revived_by_the_operator']:,}", "given up after too many kills within a minute"),
        (
            "longest recovery",
            _seconds(document["longest_recovery_from_a_single_kill_seconds"]),
            "single kill to an order begun after it, confirmed",
        ),
        ("took", f"{document['seconds']:,} s", f"and {document['settling_seconds']} s to come to rest; {document['machine']}"),
    ):
        whole.add_row(*row)
    kinds = Table("fault", "made", "longest recovery", title="Faults by kind; recovery where it broke alone")
    for kind, figures in faults["kinds"].items():
        kinds.add_row(kind, f"{figures['made']:,}", _seconds(figures["longest_recovery_seconds"]))
    for kind, why in faults["not_possible_here"].items():
        kinds.add_row(kind, "0", f"not possible here: {why}")
    found = Table("what", "detail", title="Violations")
    for violation in document["violations"]:
        found.add_row(violation["what"], violation["detail"])
    return [kinds, whole, *([found] if document["violations"] else [])]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
