import { Component, type ErrorInfo, type ReactNode } from 'react';
import { forgetEventLists } from '../log/use-event-list.ts';
import { FaultNotice } from './fault-notice.tsx';

interface Props {
  /** What is drawn inside, in words: `This screen`. */
  readonly part: string;
  /** Where the reader is, or the answer that is drawn. Another one is a new try. */
  readonly place: unknown;
  /** Loads the answer again that is drawn. Needed where the children do not load it. */
  readonly onRetry?: () => void;
  readonly children: ReactNode;
}

/** What was thrown while the children were drawn. An object, because anything can be thrown, also undefined. */
interface Fault {
  readonly error: unknown;
  readonly at: Date;
  /** The components from the thrower to the page, as React lists them. */
  readonly components: string;
}

/** Shows what is wrong instead of its children that cannot be drawn. Everything around it stays. */
export class FaultBoundary extends Component<Props, { readonly fault: Fault | null }> {
  override state: { readonly fault: Fault | null } = { fault: null };

  static getDerivedStateFromError(error: unknown): { readonly fault: Fault } {
    return { fault: { error, at: new Date(), components: '' } };
  }

  override componentDidCatch(_error: unknown, { componentStack }: ErrorInfo): void {
    const components = componentStack ?? '';
    this.setState(({ fault }) => ({ fault: fault && { ...fault, components } }));
  }

  override componentDidUpdate({ place }: Props): void {
    if (this.state.fault !== null && place !== this.props.place) this.setState({ fault: null });
  }

  override render(): ReactNode {
    const { fault } = this.state;
    if (fault === null) return this.props.children;
    const retry = () => {
      // An odd answer may be the cause, so none is kept.
      forgetEventLists();
      this.props.onRetry?.();
      this.setState({ fault: null });
    };
    return <FaultNotice part={this.props.part} {...fault} retry={retry} />;
  }
}
