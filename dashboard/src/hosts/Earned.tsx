/** Placeholder until the ledger's plot is there. */
export function Earned(_: { hostId: string }) {
  return null;
}
