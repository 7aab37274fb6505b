"""Late days: a policy applied to a score, apart from the checks."""
import math
from datetime import datetime, timezone


def moment(text):
    t = datetime.fromisoformat(text)
    return t if t.tzinfo else t.replace(tzinfo=timezone.utc)


class Policy:
    def __init__(self, due=None, cost="0", grace=0, most_days=None, free_days=0):
        self.due, self.grace, self.most_days, self.free = due, grace, most_days, free_days
        self.percent = cost.endswith("%")
        self.cost = float(cost.rstrip("%"))
        if self.cost < 0 or grace < 0:
            raise ValueError("a late day cannot give points")

    def apply(self, score, handed):
        days = 0
        if self.due and handed:
            minutes = (handed - self.due).total_seconds() / 60 - self.grace
            days = max(0, math.ceil(minutes / 1440))
        if self.most_days is not None and days > self.most_days:
            final = 0
        else:
            charged = max(0, days - self.free)
            final = score - charged * (score * self.cost / 100 if self.percent else self.cost)
        final = round(max(0, final), 2)
        return {"days_late": days, "penalty": round(score - final, 2), "final": final}
