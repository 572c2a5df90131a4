import type Database from 'better-sqlite3';

/** What is inside an image, by package. */
export interface PackageVersions {
  apt: Record<string, string>;
  npm: Record<string, string>;
}

/** A declaration as it went into a build: checked, sorted, each package once. */
export interface BuiltDeclaration {
  apt: string[];
  npm: string[];
  scripts: string[];
}

/** What a build was of. */
export interface BuildSubject {
  hash: string;
  base: string;
  contract: number;
  declaration: BuiltDeclaration;
  startedAt: number;
  endedAt: number;
}

/** An image that was proven good. */
export interface ProvenBuild extends BuildSubject {
  id: number;
  /** The engine's id. */
  image: string;
  /** Bytes. */
  size: number;
  packages: PackageVersions;
}

export interface FailedBuild extends BuildSubject {
  id: number;
  code: string;
  reason: string;
}

/** Where a group stands: what its containers start from, and what it can go back to. `null`: the base image. */
export interface GroupImageRow {
  folder: string;
  build: number | null;
  previous: number | null;
  held: string | null;
  since: number;
}

/** The commands on images of groups. */
export function prepareBuilds(db: Database.Database) {
  const add = db.prepare<[object], { id: number }>(
    `INSERT INTO builds (hash, base, contract, declaration, image, size, packages, code, reason, started_at, ended_at)
     VALUES (@hash, @base, @contract, @declaration, @image, @size, @packages, @code, @reason, @startedAt, @endedAt)
     RETURNING id`,
  );
  const dropFailures = db.prepare('DELETE FROM builds WHERE hash = ? AND image IS NULL');
  const useBuild = db.prepare<[object], GroupImageRow>(
    `INSERT INTO group_images (folder, build, held, since) VALUES (@folder, @build, @held, @now)
     ON CONFLICT (folder) DO UPDATE SET
       previous = CASE WHEN @keepPrevious OR build IS excluded.build THEN previous ELSE coalesce(build, previous) END,
       build = excluded.build, held = excluded.held, since = excluded.since
     RETURNING folder, build, previous, held, since`,
  );
  const dropGroup = db.prepare('DELETE FROM group_images WHERE folder = ?');
  const dropBuild = db.prepare(
    'DELETE FROM builds WHERE id = @id AND NOT EXISTS (SELECT 1 FROM group_images WHERE build = @id OR previous = @id)',
  );

  return {
    /** Keeps an image that was proven good; failures of the same hash are forgotten. @returns the row's id. */
    recordBuild(build: Omit<ProvenBuild, 'id'>): number {
      dropFailures.run(build.hash);
      return insert({ ...build, packages: JSON.stringify(build.packages), code: null, reason: null });
    },

    /** Keeps why a build failed, in place of an earlier failure of the same hash. */
    recordFailedBuild(build: Omit<FailedBuild, 'id'>): number {
      dropFailures.run(build.hash);
      return insert({ ...build, image: null, size: null, packages: null });
    },

    /**
     * Switches a group to an image, in one statement. The one that it had becomes the one before, unless
     * `keepPrevious` says that nobody could go back to it.
     */
    useImage(args: {
      folder: string;
      build: number | null;
      held: string | null;
      keepPrevious: boolean;
      now: number;
    }): GroupImageRow {
      const row = useBuild.get({ ...args, keepPrevious: args.keepPrevious ? 1 : 0 });
      if (!row) throw new Error(`the image of group ${args.folder} was not switched`);
      return row;
    },

    /** Forgets groups that are gone, then builds whose images are; one that a group uses stays. */
    forgetImages(args: { folders: string[]; builds: number[] }): void {
      for (const folder of args.folders) dropGroup.run(folder);
      for (const id of args.builds) dropBuild.run({ id });
    },
  };

  function insert({ declaration, ...row }: BuildSubject & Outcome): number {
    const added = add.get({ ...row, declaration: JSON.stringify(declaration) });
    if (!added) throw new Error('the build was not recorded');
    return added.id;
  }
}

interface Outcome {
  image: string | null;
  size: number | null;
  packages: string | null;
  code: string | null;
  reason: string | null;
}
