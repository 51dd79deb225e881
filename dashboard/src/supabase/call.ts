import type { Database, Json } from '../database.types';
import type { Db } from './client';
import { must, Problem, toProblem } from './problem';

type Functions = Database['public']['Functions'];
/** Functions that take one JSON argument, as most of ours do. */
export type JsonFunction = {
  [F in keyof Functions]: Functions[F] extends { Args: { '': Json } } ? F : never;
}[keyof Functions];

/** Calls a function that takes one JSON object. Its answer is what the caller says: the schema knows it as JSON only. */
export async function call<T>(db: Db, name: JsonFunction, argument: Record<string, unknown>): Promise<T> {
  // The generated types name an argument without a name '': PostgREST takes the body as a whole for it.
  const answer = await must(db.rpc(name, argument as unknown as { '': Json })).catch((error: unknown) => {
    throw toProblem(error);
  });
  return answer as T;
}

/** The same for functions that answer `{ok: false, error, hint}` instead of failing. */
export async function callOk<T>(db: Db, name: JsonFunction, argument: Record<string, unknown>): Promise<T> {
  const answer = await call<{ ok?: boolean; error?: string; message?: string; hint?: string }>(
    db,
    name,
    argument,
  );
  if (answer.ok === false) {
    throw new Problem(
      answer.message ?? answer.error ?? 'It was refused.',
      answer.hint ?? null,
      answer.error ?? null,
    );
  }
  return answer as T;
}
