# SPDX-License-Identifier: MIT
"""kill -9 at random moments under load, several times on the same data.

After each: what was answered is there exactly once and is replayed with the same bytes; what was
not answered is there whole or not at all, and once after its retry; all sums are right; and
`florin verify` agrees in the end.
"""

import random
import time

import florin
from shop import Books, Shop, Worker, in_parallel


class Killer:
    def __init__(self, report, binary, seed, workers=12):
        self.report = report
        self.random = random.Random(seed)
        self.server = florin.Server(florin=binary)
        self.worker_count = workers
        self.sent = []  # of all rounds
        self.shop = None

    def play(self, rounds, seconds):
        deadline = time.monotonic() + seconds
        try:
            self.server.start()
            self.shop = Shop(self.server)
            for number in range(rounds):
                if time.monotonic() > deadline:
                    break
                self.round(number)
            self.end()
        finally:
            self.server.discard()

    def round(self, number):
        workers = [
            Worker(self.shop, f"r{number}w{index}", self.random.random())
            for index in range(self.worker_count)
        ]
        for worker in workers:
            worker.start()
        time.sleep(self.random.uniform(0.2, 1.2))
        self.server.kill()
        for worker in workers:
            worker.join(120)
            if worker.trouble is not None or worker.is_alive():
                self.report.fail(f"round {number}", f"a worker: {worker.trouble!r}")
        sent = [request for worker in workers for request in worker.sent]
        # A crash while recovering is a crash, too.
        for _ in range(self.random.choice([0, 1, 2])):
            self.server.launch()
            time.sleep(self.random.uniform(0.0, 0.08))
            self.server.kill()
        began = time.monotonic()
        self.server.start()
        silent = sum(1 for request in sent if request.answer is None)
        print(
            f"crash: round {number}: {len(sent)} requests, {silent} without an answer; "
            f"up again in {time.monotonic() - began:.2f} s", flush=True)
        self.check_round(number, sent)
        self.sent += sent

    def check_round(self, number, sent):
        with self.server.client() as client:
            books = Books(client)
        self.report.check(f"round {number}: sums", not books.wrong(),
                          lambda: "\n".join(books.wrong()[:20]))
        problem = florin.integrity_problem(books.integrity)
        self.report.check(f"round {number}: integrity", problem is None, problem)
        answered = [request for request in sent if request.answer is not None]
        unanswered = [request for request in sent if request.answer is None]
        self.check_whole(number, books, answered, unanswered)
        earlier = self.random.sample(self.sent, min(200, len(self.sent)))
        errors = in_parallel(answered + [request for request in earlier if request.answer],
                             self.replay)
        errors += in_parallel(unanswered, lambda share: self.retry(books, share), 1)
        self.report.check(f"round {number}: replays", not errors,
                          lambda: "\n".join(map(str, errors[:10])))
        with self.server.client() as client:
            after = Books(client)
        lost = [
            request.reference for request in sent if request.answer.status < 300
            and len(after.by_reference.get(request.reference, [])) != request.parts
        ]
        self.report.check(f"round {number}: each exactly once", not lost, f"{lost[:10]}")
        self.report.check(f"round {number}: sums after retries", not after.wrong(),
                          lambda: "\n".join(after.wrong()[:20]))

    def check_whole(self, number, books, answered, unanswered):
        missing = [
            request.reference for request in answered if request.answer.status < 300
            and len(books.by_reference.get(request.reference, [])) != request.parts
        ]
        self.report.check(f"round {number}: nothing that was answered is lost or doubled",
                          not missing, f"{missing[:10]}")
        half = [request.reference for request in unanswered if not self.is_whole(books, request)]
        self.report.check(f"round {number}: nothing is there by half", not half, f"{half[:10]}")
        odd = [
            request for request in answered
            if request.answer.status >= 500 or request.answer.status in (400, 401, 403)
        ]
        self.report.check(f"round {number}: no odd answers", not odd,
                          lambda: f"{odd[0].target} {odd[0].body} {odd[0].answer!r}")

    @staticmethod
    def is_whole(books, request):
        """All of it, nothing, or of a batch that is not atomic a beginning."""
        amounts = sorted(books.amounts.get(request.reference, []))
        if request.may_be_half:
            return amounts == list(range(1, len(amounts) + 1))
        return len(amounts) in (0, request.parts)

    def replay(self, share):
        """What was answered is answered again, byte for byte."""
        with self.server.client() as client:
            for request in share:
                again = request.send(client)
                if not request.is_replay(again):
                    raise AssertionError(f"{request.target} {request.body} [{request.key}]\n"
                                         f"first {request.answer!r}\nagain {again!r}, "
                                         f"replayed: {again.replayed}")

    def retry(self, books, share):
        """What was not answered: a replay when it was there, else done now."""
        with self.server.client() as client:
            for request in share:
                was_there = request.reference in books.by_reference
                request.answer = request.send(client)
                if request.answer.status >= 500:
                    raise AssertionError(f"{request.target} {request.body}: {request.answer!r}")
                if request.may_be_half:
                    continue
                if was_there and not request.answer.replayed:
                    raise AssertionError(
                        f"{request.target} {request.body} was there, but its retry was no replay: "
                        f"{request.answer!r}")
                done = request.parts and request.answer.status < 300
                early = not (was_there or request.may_come_late)
                if done and request.answer.replayed and early:
                    raise AssertionError(
                        f"{request.target} {request.body} was not there, but its retry was one")

    def end(self):
        status = self.server.stop()
        self.report.equal("exit status after all", status, 0, self.server.log()[-2000:])
        self.report.check("log", not self.server.trouble(), lambda: self.server.log()[-4000:])
        verified = self.server.verify()
        self.report.check("florin verify", verified.returncode == 0,
                          verified.stdout + verified.stderr)
        self.server.start()
        with self.server.client() as client:
            books = Books(client)
        self.report.check("sums in the end", not books.wrong(),
                          lambda: "\n".join(books.wrong()[:20]))
        self.report.equal("exit status in the end", self.server.stop(), 0)


def kill_under_load(report, binary, rounds=5, seconds=35, seed=None):
    seed = seed if seed is not None else random.randrange(1_000_000)
    print(f"crash: seed {seed}", flush=True)
    Killer(report, binary, seed).play(rounds, seconds)
