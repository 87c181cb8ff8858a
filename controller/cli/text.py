"""Figures as people read them: units always, thousands separated, times relative below a day."""

import time

DAY = 86400


def count(number: float) -> str:
    """`3,870`."""
    return f"{number:,.0f}"


def some(number: int, noun: str) -> str:
    """`1 device`, `412 devices`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(nbytes: float) -> str:
    """`19.8 KiB`."""
    value, unit = float(nbytes), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:,.1f} {unit}"


def part_of(have: int, whole: int) -> str:
    """`14.1 of 19.8 KiB`: both in the unit of the whole."""
    total = size(whole)
    unit = total.rsplit(" ", 1)[1]
    scale = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
    return f"{have / scale:,.{0 if unit == 'B' else 1}f} of {total}"


def macs(number: int) -> str:
    """`1.31 MMAC`."""
    value, unit = float(number), "MAC"
    for larger in ("kMAC", "MMAC", "GMAC"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} MAC" if unit == "MAC" else f"{value:.3g} {unit}"


def milliseconds(microseconds: int) -> str:
    """`0.41 ms`."""
    return f"{microseconds / 1000:.2f} ms"


def span(seconds: float) -> str:
    """`0.03 µs`, `3.82 µs`, `41.2 ms`, `1.20 s`: three digits that count, for what takes no minutes."""
    value, unit = seconds * 1e6, "µs"
    if value < 0.005:
        return "<0.01 µs"
    for larger in ("ms", "s"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    if whole < DAY:
        return _two(whole // 3600, "h", whole % 3600 // 60, "min")
    return _two(whole // DAY, "d", whole % DAY // 3600, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def ago(moment: int, now: float) -> str:
    """`4 s ago` below a day, else local time, `2026-11-20 03:12`."""
    passed = now - moment
    if passed >= DAY:
        return local(moment)
    if passed < 60:
        return f"{max(0, int(passed))} s ago"
    return f"{passed // 60:.0f} min ago" if passed < 3600 else f"{passed // 3600:.0f} h ago"


def local(moment: int) -> str:
    """ISO local time to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def day(moment: int) -> str:
    """`2027-11-23`, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def clock(moment: int, now: float) -> str:
    """Local time of day; with the date when that is not today's."""
    here = time.localtime(moment)
    today = time.localtime(now)[:3] == here[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", here)


def short(digest: str) -> str:
    """`sha256:9f2c41d0…`."""
    return f"sha256:{digest[:8]}…"


def abi(value: int) -> str:
    """`1.0`."""
    return f"{value >> 16}.{value & 0xFFFF}"
