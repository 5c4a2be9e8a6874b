"""Ratios with their spread over the rounds, beside the goals; from the raw records alone."""
import statistics

import rows


def by_case(records: list[dict]) -> dict[tuple, dict[int, dict[str, dict]]]:
    """Records by case, round and side."""
    cases: dict[tuple, dict[int, dict[str, dict]]] = {}
    for record in records:
        rounds = cases.setdefault(tuple(record["case"].items()), {})
        rounds.setdefault(record["round"], {})[record["side"]] = record
    return cases


def results(row: rows.Row, records: list[dict]) -> list[dict]:
    """One result for each case and goal: smallest, median and largest ratio, and whether the median meets the goal."""
    found = []
    for case, rounds in by_case(records).items():
        pairs = []
        for sides in rounds.values():
            others = [side for side in sides if side != "planner"]
            if "planner" in sides and (others or row.is_alone):
                pairs.append((sides["planner"], sides[others[0]] if others else {}))
        for goal in row.goals:
            if not pairs or goal.tokens not in (None, dict(case).get("tokens")):
                continue
            ratios = sorted(goal.of(mine, other) for mine, other in pairs)
            median = statistics.median(ratios)
            met = None if goal.limit is None else median >= goal.limit if goal.at_least else median <= goal.limit
            found.append({
                "row": row.name, "case": dict(case), "figure": goal.name, "rounds": len(pairs), "min": ratios[0],
                "median": median, "max": ratios[-1], "goal": goal.limit, "atLeast": goal.at_least, "met": met})
    return found


def line(result: dict) -> str:
    case = " ".join(f"{name} {value}" for name, value in result["case"].items() if value is not None)
    figures = f"{result['min']:8.3f} {result['median']:8.3f} {result['max']:8.3f}"
    if result["goal"] is None:
        verdict = "no goal"
    else:
        verdict = f"{'>=' if result['atLeast'] else '<='} {result['goal']:<5g} {'met' if result['met'] else 'NOT met'}"
    return f"  {case:<44} {result['figure']:<24} {figures}   {verdict}"


HEAD = f"  {'case':<44} {'figure':<24} {'min':>8} {'median':>8} {'max':>8}   goal"


def text(all_results: list[dict]) -> str:
    lines = []
    for row in rows.ROWS:
        mine = [result for result in all_results if result["row"] == row.name]
        if mine:
            lines += [f"{row.name}: against {row.title}", HEAD, *map(line, mine), ""]
    judged = [result for result in all_results if result["met"] is not None]
    lines.append(f"{sum(result['met'] for result in judged)} of {len(judged)} goals met, by the median of the rounds")
    return "\n".join(lines)
