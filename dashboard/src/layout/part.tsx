import { Component, type ComponentType, type ReactNode, use, useEffect } from 'react';
import { loadPart, reloadOnce } from './load';
import { Failed } from './states';

/**
 * A component that is loaded when it is shown first. What keeps it from being shown is told in its place, and the rest of
 * the page stays; it can be tried again, as nothing of a failure is kept.
 */
export function part<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  let loading: Promise<ComponentType<P>> | null = null;
  const forget = () => {
    loading = null;
  };
  function Loaded(props: P) {
    loading ??= loadPart(load).then((module) => module.default);
    const Content = use(loading);
    return <Content {...props} />;
  }
  return function Part(props: P) {
    return (
      <Catch onCatch={forget}>
        <Loaded {...props} />
      </Catch>
    );
  };
}

type CatchProps = { onCatch: () => void; children: ReactNode };

class Catch extends Component<CatchProps, { caught: { error: unknown } | null }> {
  override state: { caught: { error: unknown } | null } = { caught: null };

  static getDerivedStateFromError(error: unknown) {
    return { caught: { error } };
  }

  override componentDidCatch() {
    this.props.onCatch();
  }

  override render() {
    const { caught } = this.state;
    if (!caught) return this.props.children;
    return <PartFailed error={caught.error} retry={() => this.setState({ caught: null })} />;
  }
}

/** Why a part of the page is not there. One that an update took away comes with the page, which is loaded again by itself. */
export function PartFailed({ error, retry, title }: { error: unknown; retry: () => void; title?: string }) {
  useEffect(() => {
    reloadOnce(error);
  }, [error]);
  return <Failed error={error} retry={retry} title={title} />;
}
