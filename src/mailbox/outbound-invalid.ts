/** The file breaks the session contract: a reason to fail its session, and nobody else's. */
export class OutboundInvalid extends Error {}
