import '@fontsource-variable/inter/index.css';
import '@mantine/core/styles.css';
import 'virtual:theme.css';
import './theme/base.css';
import { createRoot, type Root } from 'react-dom/client';
import { App } from './App';
import { ConfigError, readConfig } from './config';
import { watcher } from './live/watcher';
import { connect } from './supabase/client';

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
