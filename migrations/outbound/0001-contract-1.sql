CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice, also after pruning
  id TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL,
  kind TEXT NOT NULL,              -- chat | system (a request to the host: body {"request","args"})
  in_reply_to TEXT,                -- id of an inbound message, the last of the turn
  destination TEXT,                -- NULL: back to where the message came from
  body TEXT NOT NULL,              -- {"text", "files": [{"name","path"}], "answers": [ids of all messages of the turn], "silent"?: true}
  created_at INTEGER NOT NULL
);
CREATE TABLE claims (              -- what the container has taken up
  message_id TEXT NOT NULL, attempt INTEGER NOT NULL, epoch INTEGER NOT NULL,
  status TEXT NOT NULL,            -- processing | done | failed
  error TEXT,                      -- for a person
  error_class TEXT,                -- transient | rate_limit | credentials | context | continuation | permanent | aborted
  retry_at INTEGER, at INTEGER NOT NULL,
  PRIMARY KEY (message_id, attempt)
);
CREATE TABLE runner (              -- one row
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  file_id TEXT NOT NULL,           -- random, made with the file: cursors hold for one file only
  session TEXT NOT NULL, epoch INTEGER NOT NULL,
  control_seq INTEGER NOT NULL DEFAULT 0,  -- last control obeyed in this epoch
  parked INTEGER NOT NULL DEFAULT 0,
  tool TEXT, tool_until INTEGER,   -- tool in flight and until when silence is normal
  activity_at INTEGER NOT NULL
);
CREATE TABLE memory (key TEXT PRIMARY KEY, value TEXT NOT NULL);  -- the runner's own, such as a provider's session id
CREATE TABLE usage (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, epoch INTEGER NOT NULL, model TEXT, input_tokens INTEGER, output_tokens INTEGER,
  cache_read_tokens INTEGER, cache_write_tokens INTEGER, cost_usd REAL, duration_ms INTEGER, at INTEGER NOT NULL
);
