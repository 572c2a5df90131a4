import type Database from 'better-sqlite3';
import type {
  BuildSubject,
  BuiltDeclaration,
  FailedBuild,
  GroupImageRow,
  PackageVersions,
  ProvenBuild,
} from './builds.ts';

interface StoredBuild extends Omit<BuildSubject, 'declaration'> {
  id: number;
  declaration: string;
  image: string | null;
  size: number | null;
  packages: string | null;
  code: string | null;
  reason: string | null;
}

/** What is looked up about images, on a read-only connection of its own. */
export function createBuildReads(db: Database.Database) {
  const BUILD = `SELECT id, hash, base, contract, declaration, image, size, packages, code, reason,
    started_at AS startedAt, ended_at AS endedAt FROM builds`;
  const all = db.prepare<[], StoredBuild>(`${BUILD} ORDER BY id DESC`);
  const ofHash = db.prepare<[string], StoredBuild>(
    `${BUILD} WHERE hash = ? AND image IS NOT NULL ORDER BY id DESC LIMIT 1`,
  );
  const one = db.prepare<[number], StoredBuild>(`${BUILD} WHERE id = ? AND image IS NOT NULL`);
  const groups = db.prepare<[], GroupImageRow>(
    'SELECT folder, build, previous, held, since FROM group_images ORDER BY folder',
  );
  const install = db.prepare<[], { value: string }>("SELECT value FROM meta WHERE key = 'install'");

  return {
    /** The last image of that hash that was proven good; whether the engine still has it is another question. */
    provenOf: (hash: string): ProvenBuild | undefined => provenOnly(ofHash.get(hash)),
    proven: (id: number): ProvenBuild | undefined => provenOnly(one.get(id)),
    /** All outcomes, the newest first. */
    builds(): (ProvenBuild | FailedBuild)[] {
      return all.all().flatMap((row) => provenOnly(row) ?? failedOnly(row) ?? []);
    },
    groupImages: (): GroupImageRow[] => groups.all(),
    install: (): string | undefined => install.get()?.value,
    close: (): void => void db.close(),
  };
}

export type BuildReads = ReturnType<typeof createBuildReads>;

function provenOnly(row: StoredBuild | undefined): ProvenBuild | undefined {
  if (!row || row.image === null) return undefined;
  const { code: _, reason: __, image, size, packages, declaration, ...rest } = row;
  return {
    ...rest,
    image,
    size: size ?? 0,
    declaration: JSON.parse(declaration) as BuiltDeclaration,
    packages: JSON.parse(packages ?? '{"apt":{},"npm":{}}') as PackageVersions,
  };
}

function failedOnly(row: StoredBuild): FailedBuild | undefined {
  const { code, reason, image, size: _, packages: __, declaration, ...rest } = row;
  if (image !== null) return undefined;
  return {
    ...rest,
    code: code ?? 'E_IMAGE_BUILD',
    reason: reason ?? '',
    declaration: JSON.parse(declaration) as BuiltDeclaration,
  };
}
