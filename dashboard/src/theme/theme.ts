import { createTheme, type MantineColorsTuple } from '@mantine/core';

/** The colour of what can be acted on: the sea. */
const sea: MantineColorsTuple = [
  '#ecfafd',
  '#d3f1f8',
  '#a6e2f0',
  '#73d0e6',
  '#45bcd9',
  '#22a3c4',
  '#0d7a98',
  '#0b6f8c',
  '#0c5a72',
  '#0d4a5e',
];

/** Greys without a tint of their own; 0 to 3 are lines and text in the dark, 6 to 9 its surfaces. */
const dark: MantineColorsTuple = [
  '#ededef',
  '#b9bbc1',
  '#9a9da5',
  '#7d8089',
  '#2e3037',
  '#25272d',
  '#1b1c21',
  '#131418',
  '#0e0f12',
  '#0a0b0d',
];

/** What all components have in common. Dialogs do not lock scrolling by a style tag: a strict policy refuses those. */
export const theme = createTheme({
  colors: { sea, dark },
  primaryColor: 'sea',
  primaryShade: { light: 7, dark: 7 },
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', sans-serif, 'Noto Color Emoji'",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', monospace",
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  headings: { fontWeight: '600' },
  components: {
    Modal: {
      defaultProps: {
        lockScroll: false,
        centered: true,
        radius: 'lg',
        overlayProps: { backgroundOpacity: 0.45 },
      },
      styles: {
        content: { background: 'var(--surface-raised)' },
        header: { background: 'var(--surface-raised)' },
        title: { fontSize: 16, fontWeight: 600 },
      },
    },
    Drawer: { defaultProps: { lockScroll: false, overlayProps: { backgroundOpacity: 0.45 } } },
    Button: { defaultProps: { size: 'sm' } },
    Tooltip: {
      defaultProps: { openDelay: 300, withArrow: false, events: { hover: true, focus: true, touch: true } },
    },
    Menu: { defaultProps: { shadow: 'md', radius: 'md' } },
    Badge: { defaultProps: { tt: 'none', fw: 500, variant: 'light' } },
  },
});
