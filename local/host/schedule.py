"""NCRONTAB: when a timer fires.

`{second} {minute} {hour} {day} {month} {day of week}`, or five fields with the second 0. All fields
must match: unlike in cron, a day of the month *and* a day of the week restrict each other. The same
oddities are accepted as by the real host's parser: a reversed range is turned round (`FRI-MON` is
Monday to Friday), `*/0` is `*`, and a prefix stands for the first name with it (`j` is January).
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_ITEM = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d+))?")
# 29 February takes 28 years to fall on each day of the week, 40 around a year like 2100.
_HORIZON = timedelta(days=366 * 40)


@dataclass(frozen=True, kw_only=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        values: set[int] = set()
        for item in text.split(","):
            found = _ITEM.fullmatch(item)
            if found is None:
                raise ValueError(f"{item!r} is no {self.name}")
            step = int(found["step"] or 1) or 1
            if found["low"] is None:
                low, high = self.low, self.high
            else:
                low = self._value(found["low"])
                # `a/n` runs to the end of the field, a bare `a` is itself.
                last = low if found["step"] is None else self.high
                high = last if found["high"] is None else self._value(found["high"])
            values.update(range(min(low, high), max(low, high) + 1, step))
        return frozenset(values)

    def _value(self, text: str) -> int:
        if text.isdecimal():
            value = int(text)
        else:
            named = [i for i, n in enumerate(self.names) if n.startswith(text.lower())]
            value = named[0] + self.low if named else -1
        if not self.low <= value <= self.high:
            raise ValueError(f"{text!r} is no {self.name}")
        return value


_FIELDS = (
    _Field(name="second", low=0, high=59),
    _Field(name="minute", low=0, high=59),
    _Field(name="hour", low=0, high=23),
    _Field(name="day", low=1, high=31),
    _Field(name="month", low=1, high=12, names=MONTHS),
    _Field(name="day of week", low=0, high=6, names=DAYS),
)


@dataclass(frozen=True)
class Schedule:
    """A parsed NCRONTAB expression."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read an expression; ValueError says what is wrong with it."""
        parts = text.split()
        if len(parts) == 5:
            parts = ["0", *parts]
        if len(parts) != 6:
            raise ValueError(f"{text!r} is no NCRONTAB expression: six fields are needed")
        return cls(*(field.parse(part) for field, part in zip(_FIELDS, parts, strict=True)))

    @property
    def is_within_a_minute(self) -> bool:
        """Whether it fires more than once in every minute: too often to remember each run."""
        every = all(
            len(values) == field.high - field.low + 1
            for field, values in zip(_FIELDS[1:], self._values()[1:], strict=True)
        )
        return every and len(self.seconds) > 1

    def after(self, moment: datetime) -> datetime | None:
        """The first time later than `moment`, in its time zone; None when it never fires again."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.date()
        while day - start.date() <= _HORIZON:
            if self._on(day):
                earliest = start.time() if day == start.date() else time.min
                found = self._from(earliest)
                if found is not None:
                    return datetime.combine(day, found, tzinfo=moment.tzinfo)
            day += timedelta(days=1)
        return None

    def _values(self) -> tuple[frozenset[int], ...]:
        return (self.seconds, self.minutes, self.hours, self.days, self.months, self.weekdays)

    def _on(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        return day.month in self.months and day.day in self.days and weekday in self.weekdays

    def _from(self, earliest: time) -> time | None:
        """The first time of a day that is not before `earliest`."""
        for hour in sorted(h for h in self.hours if h >= earliest.hour):
            in_hour = hour == earliest.hour
            for minute in sorted(self.minutes):
                if in_hour and minute < earliest.minute:
                    continue
                in_minute = in_hour and minute == earliest.minute
                low = earliest.second if in_minute else 0
                second = min((s for s in self.seconds if s >= low), default=None)
                if second is not None:
                    return time(hour, minute, second)
        return None
