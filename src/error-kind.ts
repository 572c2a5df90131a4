/** What is the same each time that an error of one code is met. */
export interface ErrorKind {
  /** HTTP status where the error answers a request. */
  status: number;
  cause: string;
  remedy: string;
}
