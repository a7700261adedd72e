import assert from "node:assert/strict";
import { test } from "node:test";
import { Journal } from "../journal.js";
import { Outbox, type Post, type Shelf } from "../outbox.js";
import { uuid7 } from "../uids.js";
import { clock, megabytes, say } from "../words.js";

function play(journal: Journal, from: number, to: number, part = "p"): void {
  for (let ms = from; ms <= to; ms += 250) journal.at(ms, part);
}

test("a stretch is what was played without a jump", () => {
  const journal = new Journal();
  journal.startAt(1000, "p");
  play(journal, 1250, 5000);
  const jump = journal.at(60_000, "p");
  assert.deepEqual(jump, { from_ms: 1000, to_ms: 5000, watched_ms: 4000, stalls: 0, part: "p" });
  play(journal, 60_250, 61_000);
  assert.deepEqual(journal.cut(), { from_ms: 60_000, to_ms: 61_000, watched_ms: 1000, stalls: 0, part: "p" });
  assert.equal(journal.cut(), null);
});

test("stretches that were cut for sending join without a hole, and stalls are counted once", () => {
  const journal = new Journal();
  journal.startAt(0, "p");
  play(journal, 250, 10_000);
  journal.stalled();
  const first = journal.cut()!;
  play(journal, 10_250, 20_000);
  const second = journal.cut()!;
  assert.equal(first.to_ms, second.from_ms);
  assert.deepEqual([first.stalls, second.stalls], [1, 0]);
});

test("another rung begins another stretch", () => {
  const journal = new Journal();
  journal.startAt(0, "low");
  play(journal, 250, 3000, "low");
  assert.equal(journal.at(3250, "high")!.part, "low");
  play(journal, 3500, 5000, "high");
  assert.equal(journal.cut()!.part, "high");
});

test("whatever is played and skipped, what is reported was played", () => {
  for (let round = 0; round < 200; round++) {
    const journal = new Journal();
    let position = 0;
    let played = 0;
    let reported = 0;
    journal.startAt(0, "p");
    for (let i = 0; i < 100; i++) {
      if (Math.random() < 0.05) {
        position = Math.floor(Math.random() * 600_000);
        reported += (journal.startAt(position, "p") || { watched_ms: 0 }).watched_ms;
      } else {
        const step = 50 + Math.floor(Math.random() * 500);
        position += step;
        played += step;
        reported += (journal.at(position, "p") || { watched_ms: 0 }).watched_ms;
      }
      if (Math.random() < 0.05) reported += (journal.cut() || { watched_ms: 0 }).watched_ms;
    }
    reported += (journal.cut() || { watched_ms: 0 }).watched_ms;
    assert.ok(reported <= played);
    assert.ok(reported > played - 250 * 20);
  }
});

/** A storage as browsers have it; a full one throws at whatever is given to it. */
function storage(full = false): Shelf {
  const set = (items: Shelf, key: string, value: string): boolean => {
    if (full) throw new Error("QuotaExceededError");
    items[key] = value;
    return true;
  };
  return new Proxy({}, { set });
}

interface Sent {
  url: string;
  token: string;
  uids: string[];
}

function box(sent: Sent[], answer: (uids: string[]) => { status: number; json: unknown }): Post {
  return async (url, body) => {
    const { token, events } = JSON.parse(body) as { token: string; events: { uid: string }[] };
    const uids = events.map((event) => event.uid);
    sent.push({ url, token, uids });
    const { status, json } = answer(uids);
    return { status, json: async () => json };
  };
}

test("events leave in batches of one child each, and go when they are accepted", async () => {
  const shelf = storage();
  const sent: Sent[] = [];
  const outbox = new Outbox(shelf, box(sent, (uids) => ({ status: 200, json: { accepted: uids, refused: [] } })));
  outbox.put("/e", "dolma", { uid: "1" });
  outbox.put("/e", "tashi", { uid: "2" });
  outbox.put("/e", "dolma", { uid: "3" });
  await outbox.flush();
  assert.deepEqual(sent, [{ url: "/e", token: "dolma", uids: ["1", "3"] }, { url: "/e", token: "tashi", uids: ["2"] }]);
  assert.equal(Object.keys(shelf).length, 0);
});

test("no connection, a busy box and a half answer lose nothing", async () => {
  const shelf = storage();
  const lost = new Outbox(shelf, async () => {
    throw new TypeError("Failed to fetch");
  });
  lost.put("/e", "dolma", { uid: "1" });
  lost.put("/e", "dolma", { uid: "2" });
  await lost.flush();
  const answers = (status: number, text: string): Post => async () => ({ status, json: async () => JSON.parse(text) });
  await new Outbox(shelf, answers(503, "")).flush();
  await new Outbox(shelf, answers(200, "<html>a proxy on the way</html>")).flush();
  await new Outbox(shelf, answers(200, "null")).flush();
  assert.equal(Object.keys(shelf).length, 2);
  const sent: Sent[] = [];
  await new Outbox(shelf, box(sent, () => ({ status: 200, json: { accepted: ["1"] } }))).flush();
  assert.deepEqual(Object.keys(shelf), ["eduhub.event.2"]);
});

test("a refused event is offered by five page loads and then given up, without hurrying the box", async () => {
  const shelf = storage();
  const sent: Sent[] = [];
  const refuse = (uids: string[]): { status: number; json: unknown } => ({ status: 200, json: { accepted: [], refused: uids.map((uid) => ({ uid, code: "x" })) } });
  new Outbox(shelf, box(sent, refuse)).put("/e", "t", { uid: "1" });
  for (let load = 1; load <= 7; load++) {
    const outbox = new Outbox(shelf, box(sent, load % 2 ? refuse : () => ({ status: 403, json: null })));
    await outbox.flush();
    await outbox.flush();
  }
  assert.equal(sent.length, 5);
  assert.equal(Object.keys(shelf).length, 0);
});

test("a full or missing storage still sends what this page knows", async () => {
  for (const shelf of [storage(true), {}]) {
    const sent: Sent[] = [];
    const outbox = new Outbox(shelf, box(sent, (uids) => ({ status: 200, json: { accepted: uids } })));
    outbox.put("/e", "t", { uid: "1" });
    await outbox.flush();
    assert.deepEqual(sent[0]!.uids, ["1"]);
    assert.equal(outbox.batches().length, 0);
  }
});

test("a thousand waiting events leave in batches of a hundred", async () => {
  const sent: Sent[] = [];
  const outbox = new Outbox(storage(), box(sent, (uids) => ({ status: 200, json: { accepted: uids } })));
  for (let i = 0; i < 1000; i++) outbox.put("/e", "t", { uid: String(10_000 + i) });
  await outbox.flush();
  assert.equal(sent.length, 10);
  assert.ok(sent.every((batch) => batch.uids.length === 100));
});

test("uids are version 7 and sort by the time they were made", () => {
  const random = Uint8Array.from({ length: 9 }, () => 255);
  const uid = uuid7(1_700_000_000_123, random);
  assert.match(uid, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(parseInt(uid.replace("-", "").slice(0, 12), 16), 1_700_000_000_123);
  assert.ok(uuid7(1, random) < uuid7(2, new Uint8Array(9)));
});

test("times and sizes read as people write them", () => {
  assert.deepEqual([0, 61.9, 3725].map(clock), ["0:00", "1:01", "1:02:05"]);
  assert.deepEqual([40_000, 6_200_000, 21_400_000].map(megabytes), ["0.0", "6.2", "21"]);
  assert.equal(say({ play_mb: "Play · {mb} MB" }, "play_mb", { mb: "6" }), "Play · 6 MB");
});
