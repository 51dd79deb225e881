import '@fontsource-variable/inter/index.css';
import '@mantine/core/styles.css';
import 'virtual:theme.css';
import './theme/base.css';
import { createRoot, type Root } from 'react-dom/client';
import { App } from './App';
import { ConfigError, readConfig } from './config';
import { watcher } from './live/watcher';
import { connect } from './supabase/client';

/** A page that is loaded again no more often than this is not in a circle. */
const RELOAD_MS = 60_000;
const RELOADED_AT = 'creel.reloaded-at';

// The site was built anew while the page was open: the part that is asked for now has another name.
window.addEventListener('vite:preloadError', (event) => {
  const before = Number(sessionStorage.getItem(RELOADED_AT));
  if (Date.now() - before < RELOAD_MS) return;
  event.preventDefault();
  sessionStorage.setItem(RELOADED_AT, String(Date.now()));
  window.location.reload();
});

async function start(root: Root): Promise<void> {
  try {
    root.render(<App db={connect(await readConfig(), watcher)} />);
  } catch (error) {
    const [title, hint] =
      error instanceof ConfigError
        ? [error.message, error.hint]
        : ['The page could not start.', String(error)];
    root.render(<NotConfigured title={title} hint={hint} />);
  }
}

/** The one thing that is shown without a project: why there is none. */
function NotConfigured({ title, hint }: { title: string; hint: string }) {
  return (
    <main className="not-configured" role="alert">
      <h1>{title}</h1>
      <p>{hint}</p>
    </main>
  );
}

const element = document.getElementById('root');
if (!element) throw new Error('index.html has no #root');
void start(createRoot(element));
