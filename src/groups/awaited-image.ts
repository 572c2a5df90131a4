/** What a group's messages wait for before there is an image to start from: packages of a provider, or the base image of that name. */
export type AwaitedImage = { packages: string } | { base: string };
