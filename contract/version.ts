/** The version of the session contract that this code speaks (`docs/contract.md`); images bear it as a label. */
export const CONTRACT_VERSION = 1;

/** Image label that names the contract version of the runner inside. */
export const CONTRACT_LABEL = 'berth.contract';
