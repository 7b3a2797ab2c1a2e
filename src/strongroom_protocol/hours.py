"""Business hours: days and a time of day in a place's own time, summer time included.

Zones are those of the IANA database, by name; places of a machine's own choice are refused.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from strongroom_protocol.documents import Members, check_distinct, text_at
from strongroom_protocol.errors import FieldInvalid

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
# Area/Place: what begins otherwise (posix, right, localtime) differs from machine to machine.
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]*(?:/[A-Za-z0-9_+-]+){1,2}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)")
# The last second that a calendar of four-digit years has in every zone.
_LAST_SECOND = 253_402_214_399


@dataclass(frozen=True, slots=True)
class Hours:
    """From minute `from_minute` up to, and without, `until_minute` of these days; `outside`: at
    any other time.
    """

    zone: str
    days: tuple[str, ...]
    from_minute: int
    until_minute: int
    outside: bool

    def hold(self, now: int) -> bool:
        """Whether they are now (Unix seconds)."""
        local = local_time(self.zone, now)
        minute = local.hour * 60 + local.minute
        open_ = DAYS[local.weekday()] in self.days
        return (open_ and self.from_minute <= minute < self.until_minute) != self.outside


def local_time(zone: str, now: int) -> datetime:
    """The place's own date and time at `now`; raises FieldInvalid for a zone that is none."""
    return datetime.fromtimestamp(max(0, min(now, _LAST_SECOND)), _zone(zone, "zone"))


def read_hours(value: object, path: str) -> Hours:
    """Raises FieldInvalid with the path."""
    members = Members(value, path, {"zone", "days", "from", "until", "outside"})
    zone = members.text("zone", 64)
    _zone(zone, members.path("zone"))
    days = members.list("days", _day, minimum=1, maximum=len(DAYS))
    check_distinct(list(days), members.path("days"))
    begin, end = members.part("from", _minute), members.part("until", _minute)
    if begin >= end:
        words = "must be after `from`; for hours over midnight write the others, with outside"
        raise members.fail("until", words)
    return Hours(zone, days, begin, end, members.boolean("outside"))


def hours_document(hours: Hours) -> dict[str, Any]:
    """What `read_hours` reads."""
    return {
        "zone": hours.zone,
        "days": list(hours.days),
        "from": _clock_text(hours.from_minute),
        "until": _clock_text(hours.until_minute),
        "outside": hours.outside,
    }


def _zone(name: str, path: str) -> ZoneInfo:
    try:
        return _known_zone(name)
    except (KeyError, ValueError, OSError) as error:
        raise FieldInvalid(f"{path}: {name!r} is no time zone, like Europe/Berlin") from error


@lru_cache(maxsize=1024)
def _known_zone(name: str) -> ZoneInfo:
    if not _ZONE.fullmatch(name):
        raise ValueError(name)
    return ZoneInfo(name)


def _day(value: object, path: str) -> str:
    day = text_at(value, path)
    if day not in DAYS:
        raise FieldInvalid(f"{path}: must be one of {', '.join(DAYS)}")
    return day


def _minute(value: object, path: str) -> int:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise FieldInvalid(f"{path}: must be a time of day from 00:00 to 24:00, like 08:30")
    return int(found[1] or found[3]) * 60 + int(found[2] or found[4])


def _clock_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
