/** Where a talk is shown. */
export interface TerminalView {
  /**
   * Shows a reply, one to this talk's own messages or another. Resolves when it is written; throws `E_STOPPING`
   * when nobody reads the output any more.
   */
  reply(text: string, isOurs: boolean): Promise<void>;
  /** Shows what is being written, in the place of what was shown before; the reply takes that place. Absent: only whole replies are shown. */
  draft?(text: string, tool: string | null): void;
  /** Shows a line that is no reply: a file, a failure, a notice. */
  aside(line: string): void;
  close(): void;
}
