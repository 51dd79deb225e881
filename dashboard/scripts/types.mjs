// Writes src/database.types.ts by the Supabase CLI from a running project; with --check compares, and writes nothing.
//
// Environment: DATABASE_URL (creel up writes it to .creel/env); SUPABASE_CLI, where the program is not fetched from npm.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { DATABASE_URL, SUPABASE_CLI } = process.env;
if (!DATABASE_URL) throw new Error('set DATABASE_URL, for instance by: . ../.creel/env');
const folder = fileURLToPath(new URL('..', import.meta.url));
const file = `${folder}src/database.types.ts`;
const [program, ...first] = SUPABASE_CLI ? [SUPABASE_CLI] : ['npx', '--yes', 'supabase@3.1.0'];
const options = { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 << 20 };
const types = execFileSync(
  program,
  [...first, 'gen', 'types', 'typescript', `--remote=${DATABASE_URL}`, '--schema', 'public'],
  options,
);
// It warns on standard output too.
const text = types.slice(types.indexOf('export type Json'));
const format = ['biome', 'format', `--stdin-file-path=${file}`];
const formatted = execFileSync('npx', format, {
  ...options,
  input: text,
  stdio: ['pipe', 'pipe', 'inherit'],
});
if (!process.argv.includes('--check')) writeFileSync(file, formatted);
else if (readFileSync(file, 'utf8') !== formatted) {
  console.error('src/database.types.ts is not what the schema says: npm run types');
  process.exit(1);
}
