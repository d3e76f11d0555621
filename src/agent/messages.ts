/** The messages whose makers live above: whoever uses the agent needs no other part of the protocol. */
export type { Container, Process, Resources } from '../guest-protocol/generated.ts';
