import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import {
  defineLanguageFacet,
  HighlightStyle,
  Language,
  languageDataProp,
  syntaxHighlighting,
} from '@codemirror/language';
import { Compartment, EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { parser, Strikethrough, Table, TaskList } from '@lezer/markdown';
import { useEffect, useRef } from 'react';
import { splice } from './splice';

/** The page's own colours: variables reach into the shadow root. */
const LOOK = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'transparent', fontSize: '13.5px', height: '100%' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    fontFamily: 'var(--mantine-font-family-monospace)',
    lineHeight: '1.65',
    overflow: 'auto',
  },
  '.cm-content': { padding: '14px 4px', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 14px' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--hover) 55%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'color-mix(in srgb, var(--mantine-color-sea-5) 32%, transparent)',
  },
});

/** Markdown alone: what comes with grammars of HTML, CSS and JavaScript is three times the editor. */
const FACTS = defineLanguageFacet();
const MARKDOWN = new Language(
  FACTS,
  parser.configure([Table, TaskList, Strikethrough, { props: [languageDataProp.add({ Document: FACTS })] }]),
  [],
  'markdown',
);

const WORDS = HighlightStyle.define([
  { tag: tags.heading, fontWeight: '650' },
  { tag: tags.strong, fontWeight: '650' },
  { tag: tags.emphasis, fontStyle: 'italic' },
  { tag: [tags.link, tags.url], color: 'var(--busy)' },
  { tag: tags.monospace, color: 'var(--good)' },
  { tag: [tags.processingInstruction, tags.meta, tags.quote], color: 'var(--faint)' },
]);

type Props = {
  label: string;
  value: string;
  readOnly: boolean;
  onChange: (text: string) => void;
  onSave: () => void;
};

/**
 * A text of a document. It lives in a shadow root, where its styles are adopted style sheets: a style tag, which it
 * would make elsewhere, is refused by the page's policy.
 */
export default function Editor({ label, value, readOnly, onChange, onSave }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const writable = useRef(new Compartment());
  const handlers = useRef({ onChange, onSave });
  handlers.current = { onChange, onSave };
  const first = useRef({ value, label });

  useEffect(() => {
    if (!host.current) return;
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: 'open' });
    const parent = root.appendChild(document.createElement('div'));
    parent.style.height = '100%';
    const editor = new EditorView({
      root,
      parent,
      state: EditorState.create({
        doc: first.current.value,
        extensions: [
          history(),
          drawSelection(),
          highlightActiveLine(),
          MARKDOWN,
          syntaxHighlighting(WORDS),
          EditorView.lineWrapping,
          LOOK,
          writable.current.of([]),
          EditorView.contentAttributes.of({
            'aria-label': first.current.label,
            spellcheck: 'true',
            tabindex: '0',
          }),
          keymap.of([
            {
              key: 'Mod-s',
              preventDefault: true,
              run: () => {
                handlers.current.onSave();
                return true;
              },
            },
            ...defaultKeymap,
            ...historyKeymap,
          ]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) handlers.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => {
      editor.destroy();
      parent.remove();
      view.current = null;
    };
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: splice(editor.state.doc.toString(), value) });
  }, [value]);

  useEffect(() => {
    const state = readOnly ? [EditorState.readOnly.of(true), EditorView.editable.of(false)] : [];
    view.current?.dispatch({ effects: writable.current.reconfigure(state) });
  }, [readOnly]);

  return <div ref={host} style={{ height: '100%' }} data-editor />;
}
