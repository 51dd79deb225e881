import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { show } from '../../testing/render';
import { SideBySide } from './SideBySide';

it('text of an agent never becomes markup', () => {
  const text = '<img src=x onerror=alert(1)><script>alert(2)</script>';
  const { container } = show(<SideBySide before="" after={text} beforeLabel="Before" afterLabel="After" />);
  expect(screen.getByText(text)).toBeInTheDocument();
  expect(container.querySelector('img, script')).toBeNull();
});
