"""What the bench found, as text: for the terminal, and as the table of docs/performance.md."""

import os
import statistics
import subprocess

OURS = ("runsafe-oci", "runsafe")


def version():
    """The program's version, and the commit of the folder that it is said to be built from."""
    said = subprocess.run(["runsafe", "--version"], capture_output=True, text=True).stdout
    return f"{said.split()[2]} {os.environ.get('BENCH_COMMIT') or said.split()[4]}"


def reference(result, program):
    """The newest crun or runc among the contestants: they come first."""
    return next((name for name in result["contestants"] if name.startswith(program + " ")), None)


def median_ratio(values, who, other):
    """The median of the ratios of each round, or None."""
    if who not in values or other not in values or not values[who]:
        return None
    pairs = [a / b for a, b in zip(values[who], values[other]) if b]
    return statistics.median(pairs) if pairs else None


def quartiles(taken):
    if len(taken) < 2:
        return taken[0], taken[0]
    low, _, high = statistics.quantiles(taken, n=4, method="inclusive")
    return low, high


def short(value):
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def against(result, key, who):
    """(goal's words, value, goal) of each goal of a figure."""
    figure = result["figures"][key]
    values = figure["values"]
    if figure["crun"] is not None:
        crun = reference(result, "crun")
        yield f"of {crun or 'crun'}", median_ratio(values, who, crun), figure["crun"]
    if figure["floor"] is not None:
        yield "of the floor", median_ratio(values, who, "floor"), figure["floor"]
    if figure["most"] is not None and values.get(who):
        yield figure["unit"], statistics.median(values[who]), figure["most"]
    if who == "runsafe" and figure["unit"] == "ms" and figure["crun"] is not None:
        yield "of runsafe-oci", median_ratio(values, who, OURS[0]), 1.10


def header(result):
    return (f"runsafe {result['runsafe']} beside {', '.join(result['contestants'][2:])}\n"
            f"{result['date']}, Linux {result['kernel']}, {result['processors']} x "
            f"{result['processor']}, load {result['load'][0]}; {result['rounds']} rounds"
            f"{realtime(result)}")


def realtime(result):
    return ", before other programs (chrt -r 1)" if result["realtime"] else ""


def table(result, key):
    figure = result["figures"][key]
    values = figure["values"]
    crun = reference(result, "crun")
    unit = figure["unit"]
    lines = [f"\n{figure['title']} ({unit})",
             f"  {'':12}{'median':>9}{'quartiles':>17}{'of crun':>10}{'of floor':>10}"]
    for who, taken in values.items():
        low, high = quartiles(taken)
        ratios = "".join(f"{ratio:10.2f}" if ratio is not None else f"{'':10}"
                         for ratio in (median_ratio(values, who, other) for other in (crun, "floor")))
        goals = [f"{'met' if value <= goal else 'MISSED'}: {short_goal(words, goal)}"
                 for words, value, goal in against(result, key, who)
                 if who in OURS and value is not None]
        lines.append(f"  {who:12}{short(statistics.median(taken)):>9}"
                     f"{short(low) + ' - ' + short(high):>17}{ratios}  {', '.join(goals)}")
    if not values:
        lines.append("  not measured")
    return "\n".join(lines)


def short_goal(words, goal):
    return f"{goal:.2f} {words}" if words.startswith("of ") else f"{short(goal)} {words}"


def slopes(result):
    """Microseconds that list takes for one more container."""
    few, many = (result["figures"].get(f"list-{count}", {}).get("values", {})
                 for count in (100, 1000))
    return {who: (statistics.median(many[who]) - statistics.median(few[who])) / 900 * 1000
            for who in many if who in few}


def verdicts(result):
    """The last lines: how many goals are met, and which are not."""
    met, missed = 0, []
    for key, figure in result["figures"].items():
        for who in OURS:
            for words, value, goal in against(result, key, who):
                if value is None:
                    continue
                if value <= goal:
                    met += 1
                else:
                    shown = f"{value:.2f}" if words.startswith("of ") else short(value)
                    missed.append(f"  {who}: {figure['title']}: {shown}, goal "
                                  f"{short_goal(words, goal)}")
    lines = ["", *(f"list: {who} takes {slope:.1f} us for one more container"
                   for who, slope in slopes(result).items()),
             f"{met} goals met, {len(missed)} missed{':' if missed else ''}", *missed]
    return "\n".join(lines)


def summarize(result):
    """Puts the figures beside the raw values, for who reads the JSON."""
    crun = reference(result, "crun")
    for figure in result["figures"].values():
        values = figure["values"]
        figure["summary"] = {
            who: {"median": statistics.median(taken), "quartiles": quartiles(taken),
                  "of crun": median_ratio(values, who, crun),
                  "of floor": median_ratio(values, who, "floor")}
            for who, taken in values.items()}
    result["list slope, microseconds a container"] = slopes(result)


def cell(figure, who):
    taken = figure["values"].get(who)
    if not taken:
        return "-"
    low, high = quartiles(taken)
    return f"{short(statistics.median(taken))} ({short(low)}-{short(high)})"


def ratio_cell(figure, who, other, goal):
    ratio = median_ratio(figure["values"], who, other)
    if ratio is None:
        return "-"
    return f"{ratio:.2f}" if goal is None or ratio <= goal else f"**{ratio:.2f}**"


def most(figure):
    """A goal in the figure's own unit, and what came of it."""
    if figure["most"] is None:
        return ""
    found = [f"**{short(value)}**" if value > figure["most"] else short(value)
             for value in (statistics.median(figure["values"][who]) for who in OURS)]
    return f" (at most {short(figure['most'])} {figure['unit']}: {', '.join(found)})"


def markdown(result):
    """The table: medians with quartiles, then ratios pair by pair; bold where a goal is missed."""
    crun = reference(result, "crun")
    names = result["contestants"]
    lines = [f"runsafe {result['runsafe']}, {result['date']}, Linux {result['kernel']}, "
             f"{result['processors']} x {result['processor']}, load {' to '.join(result['load'])}, "
             f"{result['rounds']} rounds{realtime(result)}.", "",
             "| | unit | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    measured = [figure for figure in result["figures"].values() if figure["values"]]
    for figure in measured:
        lines.append(f"| {figure['title']} | {figure['unit']} | "
                     + " | ".join(cell(figure, who) for who in names) + " |")
    lines += ["", f"| | goal of {crun} | runsafe-oci | runsafe | goal of the floor | runsafe-oci "
              "| runsafe | runsafe of runsafe-oci |", "|---" * 8 + "|"]
    for figure in measured:
        goals = [figure["crun"], figure["floor"]]
        row = [figure["title"] + most(figure)]
        for goal, other in zip(goals, (crun, "floor")):
            row.append("-" if goal is None else f"{goal:.2f}")
            row += [ratio_cell(figure, who, other, goal) for who in OURS]
        row.append(ratio_cell(figure, "runsafe", "runsafe-oci",
                              1.10 if figure["unit"] == "ms" and figure["crun"] else None))
        lines.append("| " + " | ".join(row) + " |")
    lines += ["", *(f"- list: {who} takes {slope:.1f} us for one more container"
                    for who, slope in slopes(result).items()),
              *(f"- {note}" for note in result["notes"])]
    return "\n".join(lines) + "\n"
