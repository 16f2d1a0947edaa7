"""Which bars a stream of unfinished bars has closed: each is named once, whatever comes twice, late or not at all."""

from dataclasses import dataclass, field

from services.domain.candles import SECONDS, Timeframe


@dataclass(slots=True)
class Closings:
    """What has been heard of each symbol's bars; opens are epoch seconds."""

    timeframe: Timeframe
    begun: dict[str, int] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)

    def hear(self, symbol: str, opened: int, *, final: bool, now: float) -> int | None:
        """Take one frame and return the open of the bar that is closed now and was not before.

        A bar is closed when the exchange says that it is ``final``, or when a newer bar of the symbol has begun. A
        frame whose open is on no bar, or lies in the future, says nothing.
        """
        step = SECONDS[self.timeframe]
        if opened % step or opened > now + step:
            return None
        before = self.begun.get(symbol, opened)
        self.begun[symbol] = max(before, opened)
        done = opened if final else before if opened > before else None
        if done is None or done <= self.closed.get(symbol, -1):
            return None
        self.closed[symbol] = done
        return done
