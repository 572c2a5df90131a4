import type Database from 'better-sqlite3';
import { BerthError } from '../errors.ts';

export type ApprovalStatus = 'waiting' | 'approved' | 'denied' | 'expired';

/** A request that waits for a person, or waited. Times are Unix milliseconds. */
export interface ApprovalEntry {
  id: string;
  group: string | null;
  agent: string;
  method: string;
  url: string;
  preview: string | null;
  status: ApprovalStatus;
  createdAt: number;
  expiresAt: number;
  decidedAt: number | null;
}

export type NewApproval = Omit<ApprovalEntry, 'status' | 'decidedAt'>;

/** What the operator can do about requests that wait for a person. */
export interface ApprovalsDoor {
  /** @param options.all also those that are over. */
  list(options: { all: boolean }): ApprovalEntry[];
  /** @throws E_APPROVAL_UNKNOWN, E_APPROVAL_OVER. */
  decide(id: string, status: 'approved' | 'denied'): Promise<void>;
}

/** So long what is over is kept, in milliseconds. */
const KEPT_MS = 30 * 24 * 3_600_000;
const STATUS = "CASE WHEN status = 'waiting' AND expires_at <= @now THEN 'expired' ELSE status END";

/** The commands on approvals. What is decided once stays decided. */
export function prepareApprovals(db: Database.Database) {
  const add = db.prepare(
    `INSERT INTO approvals (id, group_folder, agent, method, url, preview, created_at, expires_at)
     VALUES (@id, @group, @agent, @method, @url, @preview, @createdAt, @expiresAt) ON CONFLICT DO NOTHING`,
  );
  const statusOf = db.prepare<[{ id: string; now: number }], { status: ApprovalStatus }>(
    `SELECT ${STATUS} AS status FROM approvals WHERE id = @id`,
  );
  const decide = db.prepare(
    "UPDATE approvals SET status = @status, decided_at = @now WHERE id = @id AND status = 'waiting'",
  );
  const expire = db.prepare(
    "UPDATE approvals SET status = 'expired', decided_at = expires_at WHERE status = 'waiting' AND expires_at <= @now",
  );
  const expireOne = db.prepare(
    "UPDATE approvals SET status = 'expired', decided_at = min(expires_at, @now) WHERE id = @id AND status = 'waiting'",
  );
  const forget = db.prepare('DELETE FROM approvals WHERE expires_at < ?');

  return {
    /** @returns how it stands: one that came before may be over. */
    note(args: NewApproval & { now: number }): ApprovalStatus {
      forget.run(args.now - KEPT_MS);
      expire.run({ now: args.now });
      add.run(args);
      return statusOf.get(args)?.status ?? 'expired';
    },

    /** @throws E_APPROVAL_UNKNOWN, E_APPROVAL_OVER. */
    decide(args: { id: string; status: 'approved' | 'denied'; now: number }): void {
      const found = statusOf.get(args)?.status;
      const name = JSON.stringify(args.id.slice(0, 80));
      if (!found) throw new BerthError('E_APPROVAL_UNKNOWN', `there is no request ${name}`);
      if (found !== 'waiting') throw new BerthError('E_APPROVAL_OVER', `the request ${name} is ${found}`);
      decide.run(args);
    },

    /** Nobody waits for it any more, whatever the clock says: that may have been set back meanwhile. */
    expire: (args: { id: string; now: number }): void => void expireOne.run(args),
  };
}

/** What is looked up about approvals. */
export function createApprovalReads(db: Database.Database) {
  const entries = (where: string) =>
    db.prepare<[{ now: number }], ApprovalEntry>(
      `SELECT id, group_folder AS "group", agent, method, url, preview, ${STATUS} AS status, created_at AS createdAt,
         expires_at AS expiresAt, decided_at AS decidedAt FROM approvals ${where} ORDER BY created_at DESC, id LIMIT 1000`,
    );
  const all = entries('');
  const waiting = entries("WHERE status = 'waiting' AND expires_at > @now");
  return {
    /** The newest first. */
    approvals: ({ now, all: whole }: { now: number; all: boolean }): ApprovalEntry[] =>
      (whole ? all : waiting).all({ now }),
  };
}
