"""From samples to tables: ratios within a round, then medians."""
import statistics


def count(size):
    """10000 as 10k, 1000000 as 1M."""
    if size % 1_000_000 == 0:
        return f"{size // 1_000_000}M"
    return f"{size // 1000}k" if size % 1000 == 0 else str(size)


class Numbers:
    def __init__(self, result):
        self.result = result
        self.samples = result["samples"]
        sizes = sorted(result["sizes"])
        self.small, self.big = count(sizes[0]), count(sizes[-1])

    def good(self, *names):
        """Indexes of the rounds in which none of these was disturbed; all, if too few are left."""
        rounds = range(min(len(self.samples.get(name, [])) for name in names))
        quiet = [i for i in rounds if not any(self.samples[name][i].get("noisy") for name in names)]
        return quiet if len(quiet) >= 3 else list(rounds)

    def values(self, name, key):
        return [key(self.samples[name][i]) for i in self.good(name)] if name in self.samples else []

    def ratios(self, over, under):
        """rps over rps, round by round."""
        return [self.samples[over][i]["rps"] / self.samples[under][i]["rps"]
                for i in self.good(over, under)]


def _gates(n):
    """(what, targets compared, relation, must)"""
    ours, book = f"availability {n.big}", f"booking {n.big}"
    return [
        ("availability / pgbench, the same statement", ours, "pgbench busy", ">=", 0.28),
        ("availability / pgbench, slots made in SQL", ours, "pgbench all in SQL", ">=", 0.65),
        ("availability / Express as written", ours, "express-seed availability", ">=", 5),
        ("availability / Fastify tuned", ours, "fastify-tuned availability", ">=", 1.2),
        ("availability / constant answer of the same server", ours, "constant", None, None),
        ("availability / file of the same size, same server", ours, "file", None, None),
        ("booking / pgbench, the same statement", book, "pgbench book", ">=", 0.68),
        ("booking / Express, check then insert", book, "express-seed booking", ">=", 2.3),
        ("booking / Fastify, our statement", book, "fastify-tuned booking", ">=", 1.15),
        ("a user's visits / pgbench, the same statement", f"visits {n.big}", "pgbench visits", None,
         None),
        *[(f"{route}: {n.big} / {n.small} appointments", f"{route} {n.big}", f"{route} {n.small}",
           ">", 0.9) for route in ("availability", "booking", "visits") if n.big != n.small]]


def _verdict(relation, must, value):
    if relation is None:
        return "", ""
    met = {">=": value >= must, ">": value > must, "<=": value <= must, "<": value < must}[relation]
    sign = {">=": "≥", ">": ">", "<=": "≤", "<": "<"}[relation]
    return f"{sign} {must:g}", "yes" if met else "**no**"


def gates(result):
    """[(what, value as text, must, met)]"""
    n = Numbers(result)
    rows = []
    for what, over, under, relation, must in _gates(n):
        if over in n.samples and under in n.samples:
            ratios = n.ratios(over, under)
            middle = statistics.median(ratios)
            rows.append((what, f"{middle:.2f} [{min(ratios):.2f}..{max(ratios):.2f}]",
                         *_verdict(relation, must, middle)))
    cpu = n.values(f"availability {n.big}", lambda s: sum(s["cpu_us"].values()))
    if cpu:
        rows.append(("CPU µs per availability, httpd and PostgreSQL",
                     f"{statistics.median(cpu):.0f} [{min(cpu):.0f}..{max(cpu):.0f}]",
                     *_verdict("<=", 70, statistics.median(cpu))))
    for size in sorted({n.small, n.big}, key=len):
        month = result["extra"].get(f"month {size}")
        if month:
            rows.append((f"a month for 10 practitioners, {size}: ms at the server, "
                         f"{month['statements']} statements",
                         f"{month['p50_ms']:.1f} (p99 {month['p99_ms']:.1f})",
                         *_verdict("<", 10, month["p50_ms"])))
    month = result["extra"].get("month express-seed")
    if month:
        rows.append((f"the same from Express as written: ms, {month['statements']} statements",
                     f"{month['ms']:.0f}", "", ""))
    return rows


def numbers(result):
    """[(target, rps, p50, p99, CPU of the server, of PostgreSQL, of the client)]"""
    n = Numbers(result)
    rows = []
    for name in n.samples:
        def middle(key, form="{:.2f}", name=name):
            found = [value for value in n.values(name, key) if value is not None]
            return form.format(statistics.median(found)) if found else ""
        rows.append((name, middle(lambda s: s["rps"], "{:,.0f}"),
                     middle(lambda s: s.get("p50_ms")), middle(lambda s: s.get("p99_ms"), "{:.1f}"),
                     middle(lambda s: s["cpu_us"].get("server"), "{:.1f}"),
                     middle(lambda s: s["cpu_us"].get("postgres"), "{:.1f}"),
                     middle(lambda s: s["client_us"], "{:.1f}")))
    return sorted(rows, key=lambda row: (("book" in row[0]), row[0]))


def _table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _noise(result):
    samples = [s for of in result["samples"].values() for s in of]
    noisy = sum(bool(s.get("noisy")) for s in samples)
    foreign = statistics.median(s["foreign"] for s in samples)
    steal = max(s["steal"] for s in samples)
    return (f"Median CPU of others {foreign:.0%}, most time stolen {steal:.0%}; {noisy} of "
            f"{len(samples)} samples disturbed (others above 15 %) and left out where at least three "
            "rounds remain.")


def markdown(result):
    software = ", ".join(f"{name} {version}" for name, version in result["software"].items())
    memory = ", ".join(f"{name} {mb:.0f}" for name, mb in result["pss_mb"].items() if mb)
    return "\n".join([
        f"{result['day']}. {result['machine']}. {software}. {result['connections']} connections, "
        f"{result['rounds']} rounds of {result['seconds']} s, median [min..max]; "
        f"{result['body_bytes']} bytes a day of 16 slots; pgbench with "
        f"{result['extra'].get('pgbench_clients', 16)} clients. {_noise(result)}",
        "",
        _table(("gate", "measured", "must", "met"), gates(result)),
        "",
        _table(("target", "per second", "p50 ms", "p99 ms", "CPU µs server", "CPU µs PostgreSQL",
                "CPU µs client"), numbers(result)),
        "",
        f"Memory (PSS, MB): {memory}."])
