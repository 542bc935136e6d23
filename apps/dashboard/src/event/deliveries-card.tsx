import { archiveStates, type Delivery } from '../events/archive-state.ts';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { FullTime } from '../parts/time.tsx';

const icons = { quiet: 'check', waiting: 'wait', bad: 'warn' } as const;

/** How far the event is on its way to each destination. The receipt says the same of the archive alone, and more. */
export function DeliveriesCard({ deliveries }: { deliveries: readonly Delivery[] }) {
  if (deliveries.length < 2) return null;
  return (
    <section className="card" aria-labelledby="deliveries-title">
      <h2 id="deliveries-title">Deliveries</h2>
      <dl className="facts">
        {deliveries.map(({ destination, state, delivered_at: at }) => {
          const { word, tone } = archiveStates[state] ?? archiveStates.pending;
          return (
            <div key={destination}>
              <dt>
                <GivenText text={destination} />
              </dt>
              <dd>
                <span className={`archive-badge ${tone}`}>
                  <Icon name={icons[tone]} />
                  <span>{state === 'done' ? 'delivered' : word}</span>
                </span>{' '}
                {at !== null && <FullTime at={at} />}
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}
