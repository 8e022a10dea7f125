# SPDX-License-Identifier: MIT
"""A lane's part in a test host: it parks what is deferred and hands it out when it
is due, by the test's clock."""
import json

from driven import NO_ATTEMPT, event

MINUTE, HOUR = 60, 3600
STEP = 30


class Host:
    """Parks, and hands out what is due, as a lane does."""

    def __init__(self, d):
        self.d, self.parked, self.delivered, self.letters = d, {}, {}, {}

    def hand_out(self, new):
        """What is left of it.  Both kinds are at hand at the same time."""
        d = self.d
        if d.held() > 0:
            return new
        due = [n for n, (at, _, _) in self.parked.items() if at <= d.now][:64]
        batches = []
        if new:
            batches.append((new[:64], d.send([event(n) for n in new[:64]])))
        if due:
            d.tell("clear")
            for n in due:
                _, attempts, since = self.parked.pop(n)
                d.tell("again", attempts, int(since * 1000000))
                d.tell("event", json.dumps(event(n)))
            batches.append((due, int(d.tell("async")[0])))
        for numbers, batch in batches:
            self.take(numbers, d.wait(batch))
        d.tell("clear")
        return new[64:]

    def take(self, numbers, ends):
        for n, e in zip(numbers, ends):
            if e.state == "done":
                self.delivered[n] = self.d.now
            elif e.state == "rejected":
                self.letters[n] = e.code
            else:
                self.tries[n] = self.tries.get(n, 0) + (not e.flags & NO_ATTEMPT)
                self.parked[n] = (self.d.now + e.delay / 1000, self.tries[n], self.d.now)

    def live(self, hours, every, until, away):
        """An event each `every` seconds, until so many hours."""
        self.tries = {}
        start, new, made = self.d.now, [], 0
        while self.d.now < start + hours * HOUR:
            away["now"] = 1 * HOUR <= self.d.now - start < 25 * HOUR
            while made * every <= self.d.now - start and made * every < until * HOUR:
                new.append(made)
                made += 1
            new = self.hand_out(new)
            self.d.advance(STEP)
        return made
