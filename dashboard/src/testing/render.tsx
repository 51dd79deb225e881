import { MantineProvider } from '@mantine/core';
import { render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { theme } from '../theme/theme';

/** Something within what every component expects around it. */
export function wrap(content: ReactNode) {
  return (
    <MantineProvider theme={theme} withCssVariables={false} withGlobalClasses={false} env="test">
      {content}
    </MantineProvider>
  );
}

/** Draws something so. */
export function show(content: ReactNode) {
  return render(wrap(content));
}
