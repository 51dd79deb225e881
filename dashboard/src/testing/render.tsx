import { MantineProvider } from '@mantine/core';
import { render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { theme } from '../theme/theme';

/** Draws something within what every component expects around it. */
export function show(content: ReactNode) {
  return render(
    <MantineProvider theme={theme} withCssVariables={false} withGlobalClasses={false} env="test">
      {content}
    </MantineProvider>,
  );
}
