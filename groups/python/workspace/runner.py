"""A whole agent runner that speaks version 1 of the session contract. Your bot goes into `answer`."""
import json, os, pathlib, signal, sqlite3, sys, threading, time, uuid

def answer(messages):
    """The reply to a turn's messages, oldest first; `wake` 0: for reading only. What it raises reaches the person."""
    return "You said: " + "\n".join(message["text"] for message in messages if message["wake"])

TABLES = """BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL,
  kind TEXT NOT NULL, in_reply_to TEXT, destination TEXT, body TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS claims (message_id TEXT NOT NULL, attempt INTEGER NOT NULL, epoch INTEGER NOT NULL,
  status TEXT NOT NULL, error TEXT, error_class TEXT, retry_at INTEGER, at INTEGER NOT NULL, PRIMARY KEY (message_id, attempt));
CREATE TABLE IF NOT EXISTS runner (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), file_id TEXT NOT NULL,
  session TEXT NOT NULL, epoch INTEGER NOT NULL, control_seq INTEGER NOT NULL DEFAULT 0, parked INTEGER NOT NULL DEFAULT 0,
  tool TEXT, tool_until INTEGER, activity_at INTEGER NOT NULL); CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS usage (seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, epoch INTEGER NOT NULL, model TEXT,
  input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER, cost_usd REAL,
  duration_ms INTEGER, at INTEGER NOT NULL); PRAGMA user_version = 1; COMMIT"""
START = """INSERT INTO runner (only_row, file_id, session, epoch, activity_at) VALUES (1, ?, ?, ?, ?) ON CONFLICT DO UPDATE
  SET epoch = excluded.epoch, control_seq = 0, parked = 0, tool = NULL, tool_until = NULL"""
REPLY = "INSERT INTO messages (id, epoch, kind, in_reply_to, body, created_at) VALUES (?, ?, 'chat', ?, ?, ?)"
CLAIM = "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, NULL, ?)"
PRUNE = "DELETE FROM claims WHERE status <> 'processing' AND message_id NOT IN (SELECT value FROM json_each(?))"
now = lambda: time.time_ns() // 1_000_000

def write(*statements):
    """All of them in one durable transaction."""
    for sql, *values in [("BEGIN IMMEDIATE",), *statements]: out.execute(sql, values)
    if out.execute("SELECT epoch FROM runner").fetchone()[0] > EPOCH: sys.exit("a later container works here")
    out.execute("COMMIT")

def claims(messages, status, error=None, error_class=None):
    return [(CLAIM, one["id"], one["attempt"], EPOCH, status, error, error_class, now()) for one in messages]

def look():
    """Messages, new controls and what is settled, all of one moment; None while the host is in mid-commit."""
    try:
        inbound.execute("BEGIN")
        rows = inbound.execute("SELECT body, id, attempt, kind, wake FROM messages ORDER BY seq").fetchall()
        sql = "SELECT seq, verb, body FROM controls WHERE epoch = ? AND seq > ? ORDER BY seq"
        controls = inbound.execute(sql, (EPOCH, obeyed)).fetchall()
        settled = inbound.execute("SELECT settled_file, settled_seq, settled_usage FROM session").fetchone()
        return [json.loads(row[0]) | dict(zip(("id", "attempt", "kind", "wake"), row[1:])) for row in rows], controls, settled
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY): raise
    finally:
        inbound.rollback()

def turn(messages):
    write(*claims(messages, "processing"), ("UPDATE runner SET parked = 0, activity_at = ?", now()))
    asked = [one["id"] for one in messages if one["wake"]][-1]
    try:
        body = json.dumps({"text": answer(messages), "answers": [one["id"] for one in messages]})
    except Exception as error:
        return write(*claims(messages, "failed", f"The bot failed: {error!r}", "permanent"))
    write((REPLY, f"out_{uuid.uuid4().hex}", EPOCH, asked, body, now()), *claims(messages, "done"))

def step():
    """One look and what follows from it. True: there is nothing to do until the host writes again."""
    global obeyed, pruned
    if (found := look()) is None: return False
    messages, controls, (file, seq, usage) = found
    claimed = set(out.execute("SELECT message_id, attempt FROM claims"))
    free = [one for one in messages if (one["id"], one["attempt"]) not in claimed]
    due = [one for one in free if one["wake"] and one["kind"] != "system"]
    work = claims([one for one in free if one["kind"] == "system"], "done")
    for obeyed, verb, body in controls:
        if verb == "stop": sys.exit(0)
        if verb == "abort":
            work += claims([one for one in due if one["id"] == json.loads(body)["message_id"]], "failed", "Stopped.", "aborted")
        if verb != "park" or not due:
            work.append(("UPDATE runner SET control_seq = ?, parked = ?", obeyed, verb == "park"))
    if not work and due:
        chat, thread = due[0]["chat"], due[0].get("thread")
        here = [one for one in free if one["kind"] != "system" and one["chat"] == chat]
        turn([one for one in here if not one["wake"] or one.get("thread") == thread])
    elif not work and file == file_id and seq - pruned > 500:
        ids, pruned = json.dumps([one["id"] for one in messages]), seq
        work = [("DELETE FROM messages WHERE seq <= ?", seq), ("DELETE FROM usage WHERE seq <= ?", usage), (PRUNE, ids)]
    return write(*work) if work else not due and not controls

def beat():
    while (OUT / "heartbeat").touch() is None: time.sleep(5)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
IN, OUT = pathlib.Path(os.environ["BERTH_IN_DIR"]), pathlib.Path(os.environ["BERTH_OUT_DIR"])
EPOCH, obeyed, pruned, seen = int(os.environ["BERTH_EPOCH"]), 0, -1000, None
out = sqlite3.connect(OUT / "outbound.db", timeout=10, isolation_level=None)
out.executescript("PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL;" + TABLES)
start = (START, f"f_{uuid.uuid4().hex}", os.environ["BERTH_SESSION"], EPOCH, now())
write(start, ("DELETE FROM claims WHERE status = 'processing'",))
file_id = out.execute("SELECT file_id FROM runner").fetchone()[0]
inbound = sqlite3.connect((IN / "inbound.db").as_uri() + "?mode=ro", uri=True, timeout=0, isolation_level=None)
commits = os.open(IN / "inbound.db", os.O_RDONLY)  # stays open: closing it would drop SQLite's locks
threading.Thread(target=beat, daemon=True).start()
while True:
    before = os.pread(commits, 4, 24)  # SQLite's change counter; a parked runner touches no database until it differs
    if before != seen and step(): seen = before
    time.sleep(0.02 if before == seen else 0.001)
