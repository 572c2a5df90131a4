import { CONTRACT_LABEL } from '../../contract/version.ts';
import type { DockerConnection } from './docker-connection.ts';
import { fromEngineLabels, INSTALL_LABEL } from './docker-labels.ts';
import type { ContainerLabels } from './engine.ts';

export interface ListedContainer {
  id: string;
  name: string;
  labels: ContainerLabels;
  /** The engine's word: `created`, `running`, `paused`, `exited`, `dead` … */
  status: string;
  imageId: string;
  /** The contract version of its image, whose labels a container inherits. */
  contract: string | undefined;
}

/** All containers that bear the install's label, in whatever state. */
export async function listInstall(connection: DockerConnection, install: string): Promise<ListedContainer[]> {
  const found = await connection.call('listing containers', (abortSignal) =>
    connection.docker.listContainers({
      all: true,
      filters: { label: [`${INSTALL_LABEL}=${install}`] },
      abortSignal,
    }),
  );
  return found.flatMap(({ Id, Names, Labels, State, ImageID }) => {
    const labels = fromEngineLabels(Labels);
    const name = Names[0]?.replace(/^\//, '');
    return labels && name
      ? [{ id: Id, name, labels, status: State, imageId: ImageID, contract: Labels[CONTRACT_LABEL] }]
      : [];
  });
}
