CREATE TABLE messages (            -- a row is put in, or its attempt raised, only when it is due
  seq        INTEGER PRIMARY KEY,  -- given by the ledger, strictly increasing within a session
  id         TEXT NOT NULL UNIQUE,
  attempt    INTEGER NOT NULL DEFAULT 1,
  kind       TEXT NOT NULL,        -- chat | task | agent | system
  wake       INTEGER NOT NULL DEFAULT 1,  -- 0: context only, starts no turn by itself (at most 200 wait)
  body       TEXT NOT NULL,        -- {"text", "sender": {"id","name"}, "chat", "thread", "files": [{"name","path","type","bytes"}], "answers"?}
  created_at INTEGER NOT NULL
);
CREATE TABLE controls (            -- from the host to the runner, oldest first
  seq   INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,          -- a runner obeys only its own epoch's
  verb  TEXT NOT NULL,             -- park | unpark | stop | nudge | abort
  body  TEXT NOT NULL DEFAULT '{}' -- nudge and abort bear {"message_id"} and mean nothing once that message's turn is over
);
CREATE TABLE receipts (            -- what became of what the container sent; the newest 1,000
  out_id TEXT PRIMARY KEY,
  status TEXT NOT NULL,            -- sent | failed | uncertain | refused
  detail TEXT, platform_id TEXT, at INTEGER NOT NULL
);
CREATE TABLE destinations (        -- where this session may send; the host enforces it again
  name TEXT PRIMARY KEY, kind TEXT NOT NULL /* chat | agent */, title TEXT, is_default INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE session (             -- one row
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  settled_file TEXT, settled_seq INTEGER NOT NULL DEFAULT 0, settled_usage INTEGER NOT NULL DEFAULT 0,
                                   -- rows of that outbound file up to here are in the ledger and may be pruned
  body TEXT NOT NULL DEFAULT '{}'
);
