"""Figures made of samples, and the table that shows them."""

from dataclasses import dataclass
from statistics import median

UNITS = {
    "s": lambda value: f"{value:.2f} s" if value >= 1 else f"{value:.3f} s",
    "s/GB": lambda value: f"{value:.2f} s/GB",
    "bytes": lambda value: f"{value / 2**20:.1f} MiB",
}


@dataclass
class Figure:
    """Medians of ours and of what it is compared with, and what is wanted: of the ratio, or of ours."""

    name: str
    unit: str
    ours: float
    peer: float = None
    ratio_wanted: float = None
    ours_wanted: float = None
    spread: str = ""

    @property
    def ratio(self):
        return self.ours / self.peer if self.peer else None

    @property
    def reached(self):
        if self.ratio_wanted is not None:
            return self.ratio <= self.ratio_wanted
        return None if self.ours_wanted is None else self.ours <= self.ours_wanted

    def wanted(self):
        if self.ratio_wanted is not None:
            return f"≤ {self.ratio_wanted:.2f} ×"
        return "" if self.ours_wanted is None else f"≤ {UNITS[self.unit](self.ours_wanted)}"

    def row(self):
        show = UNITS[self.unit]
        return [
            self.name,
            show(self.ours),
            "" if self.peer is None else show(self.peer),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self.wanted(),
            {None: "", True: "yes", False: "NO"}[self.reached],
            self.spread,
        ]

    def record(self):
        fields = {name: value for name, value in self.__dict__.items() if value not in (None, "")}
        return {**fields, "ratio": self.ratio, "reached": self.reached}


def spread(values):
    """How far apart the samples of one figure lie, in percent of their median."""
    middle = median(values)
    return f"{100 * (max(values) - min(values)) / middle:.0f} %" if middle else "-"


def compare(name, unit, of, ours, peer=(), **wanted):
    """The figure `of` every sample: of ours, and of the peer's."""
    ours, peer = [of(sample) for sample in ours], [of(sample) for sample in peer]
    both = " / ".join(spread(values) for values in (ours, peer) if values)
    return Figure(name, unit, median(ours), median(peer) if peer else None, spread=both, **wanted)


def wall(sample):
    return sample.wall_s


def peak(sample):
    return sample.peak_bytes


def stored(sample):
    return sample.stored_bytes


def client_cpu(sample):
    return sample.client_cpu_s


def server_cpu(sample):
    return sample.server_cpu_s


def usual(title, ours, peer, wanted):
    """The rows of every comparison with a peer."""
    return [
        compare(f"{title}: wall", "s", wall, ours, peer, ratio_wanted=wanted),
        compare(f"{title}: client CPU", "s", client_cpu, ours, peer),
        compare(f"{title}: server CPU", "s", server_cpu, ours, peer),
        compare(f"{title}: peak memory", "bytes", peak, ours, peer),
    ]


def table(figures):
    rows = [["figure", "ours", "peer", "ratio", "wanted", "reached", "spread"]] + [one.row() for one in figures]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    left = 0, 4, 5, 6
    lines = []
    for row in rows:
        cells = (
            text.ljust(width) if i in left else text.rjust(width) for i, (text, width) in enumerate(zip(row, widths))
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
