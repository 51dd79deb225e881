// The JavaScript of the first page is within its budget, and the bundle has no secret key. Needs a build.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const FIRST_LOAD_BYTES = 250_000;
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
if (!existsSync(`${dist}.vite/manifest.json`)) {
  console.error('there is no build: npm run build');
  process.exit(1);
}
const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, 'utf8'));

/** All files that a chunk needs before it can run. */
function closure(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const next of manifest[name].imports ?? []) closure(next, seen);
  return seen;
}

// The first page is the shell with the agents: what somebody gets who signs in.
const names = new Set([...closure('index.html'), ...closure('src/agents/AgentsPage.tsx')]);
let total = 0;
for (const name of names) {
  const { file } = manifest[name];
  if (file.endsWith('.js')) total += gzipSync(readFileSync(dist + file), { level: 9 }).length;
}
console.log(`first load: ${total} bytes of JavaScript gzipped, at most ${FIRST_LOAD_BYTES}`);
if (total > FIRST_LOAD_BYTES) process.exitCode = 1;

for (const file of readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) =>
  entry.isFile(),
)) {
  const text = readFileSync(`${file.parentPath}/${file.name}`, 'latin1');
  // The page names the prefix to refuse such keys; a key goes on after it.
  for (const found of text.match(/sb_secret_[A-Za-z0-9]|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\./g) ??
    []) {
    console.error(`${file.name} has what looks like a secret key: ${found}…`);
    process.exitCode = 1;
  }
}
