"""The checks, each a query that finds what must not be: a row is a mismatch, with its `subject` and what is wrong in `detail`.

What began less than `grace` seconds ago may still be on its way and is no mismatch. Every query sees the same snapshot.

Where a whole table is summed up by product, it is read from its beginning to its end (USE INDEX ()): over an index, each of millions of
rows would be looked up by itself, and of a table larger than the server's memory, on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.reconcile.sums import SUMS


@dataclass(frozen=True)
class Check:
    """A promise of the system, and the query that finds where it is broken."""

    name: str
    promise: str
    query: str


CHECKS = (
    Check(
        "stock_is_sum_of_movements",
        "a product's stock is the sum of its movements",
        """
        SELECT CONCAT('product ', p.id) AS subject,
               CONCAT('stock ', COALESCE(s.quantity, 0), ', movements ', COALESCE(m.total, 0)) AS detail
        FROM products p
        LEFT JOIN storages s ON s.product_id = p.id
        LEFT JOIN (SELECT product_id, SUM(delta) AS total FROM stock_movements USE INDEX () GROUP BY product_id) m ON m.product_id = p.id
        WHERE COALESCE(s.quantity, 0) <> COALESCE(m.total, 0)
        """,
    ),
    Check(
        "balances_follow_one_another",
        "each movement starts from the balance that the one before it left",
        """
        SELECT CONCAT('movement ', id) AS subject,
               CONCAT('product ', product_id, ': ', balance_before, ' and ', delta, ' do not make ', balance_after) AS detail
        FROM (
            SELECT id, product_id, delta, balance_after,
                   COALESCE(LAG(balance_after) OVER (PARTITION BY product_id ORDER BY id), 0) AS balance_before
            FROM stock_movements
        ) m
        WHERE balance_before + delta <> balance_after
        """,
    ),
    Check(
        "ledger_goes_forward",
        "no movement of a product is dated before the one that came before it",
        """
        SELECT CONCAT('movement ', id) AS subject,
               CONCAT('product ', product_id, ': of ', created_at, ', after one of ', created_before) AS detail
        FROM (
            SELECT id, product_id, created_at, LAG(created_at) OVER (PARTITION BY product_id ORDER BY id) AS created_before
            FROM stock_movements
        ) m
        WHERE created_at < created_before
        """,
    ),
    Check(
        "stock_is_what_was_traded",
        "a product's stock is opening + procured - sold + changed by hand, by the tables of the services that traded it",
        # Sold: what inventory took for an order that is not cancelled, the pending ones whose confirmation is on its way included;
        # so a cancelled order counts for nothing, but for the moment between taking and returning its goods.
        """
        SELECT CONCAT('product ', p.id) AS subject,
               CONCAT('stock ', COALESCE(s.quantity, 0), ', opening and by hand ', COALESCE(h.total, 0),
                      ', procured ', COALESCE(b.total, 0),
                      ', sold ', COALESCE(o.total, 0)) AS detail
        FROM products p
        LEFT JOIN storages s ON s.product_id = p.id
        LEFT JOIN (
            SELECT product_id, SUM(delta) AS total FROM stock_movements USE INDEX ()
            WHERE reason NOT IN ('procurement', 'order', 'cancellation') GROUP BY product_id
        ) h ON h.product_id = p.id
        LEFT JOIN (
            SELECT b.product_id, SUM(b.quantity) AS total FROM procurements b USE INDEX ()
            WHERE NOT (b.timestamp > UTC_TIMESTAMP(6) - INTERVAL %(grace)s SECOND AND NOT EXISTS (
                SELECT 1 FROM stock_movements m WHERE m.reference = CONCAT('procurement:', b.id) AND m.reason = 'procurement'))
            GROUP BY b.product_id
        ) b ON b.product_id = p.id
        LEFT JOIN (
            SELECT o.product_id, SUM(o.quantity) AS total FROM orders o USE INDEX ()
            WHERE o.status = 'confirmed'
               OR (o.status IN ('pending', 'cancelled')
                   AND EXISTS (
                       SELECT 1 FROM stock_movements m WHERE m.reference = CONCAT('order:', o.id) AND m.reason = 'order')
                   AND NOT EXISTS (
                       SELECT 1 FROM stock_movements m WHERE m.reference = CONCAT('order:', o.id) AND m.reason = 'cancellation'))
            GROUP BY o.product_id
        ) o ON o.product_id = p.id
        WHERE COALESCE(s.quantity, 0) <> COALESCE(h.total, 0) + COALESCE(b.total, 0) - COALESCE(o.total, 0)
        """,
    ),
    Check(
        "orders_are_decided",
        "no order is pending for longer than the grace",
        """
        SELECT CONCAT('order ', id) AS subject, CONCAT('pending since ', timestamp) AS detail
        FROM orders WHERE status = 'pending' AND NOT timestamp > UTC_TIMESTAMP(6) - INTERVAL %(grace)s SECOND
        """,
    ),
    Check(
        "confirmed_orders_moved_stock_once",
        "a confirmed order has exactly one movement, of its product and its quantity",
        """
        SELECT CONCAT('order ', o.id) AS subject,
               CONCAT('confirmed ', o.quantity, ' of product ', o.product_id, '; ',
                      COUNT(m.id), ' movements, together ', COALESCE(SUM(m.delta), 0)) AS detail
        FROM orders o
        LEFT JOIN stock_movements m ON m.reference = CONCAT('order:', o.id) AND m.reason IN ('order', 'cancellation')
        WHERE o.status = 'confirmed'
        GROUP BY o.id, o.quantity, o.product_id
        HAVING COUNT(m.id) <> 1 OR SUM(m.delta) <> -o.quantity OR MIN(m.product_id) <> o.product_id OR MIN(m.reason) <> 'order'
        """,
    ),
    Check(
        "rejected_orders_moved_nothing",
        "a rejected order has no movement",
        """
        SELECT CONCAT('order ', o.id) AS subject, CONCAT('rejected, but movement ', m.id, ' of ', m.delta) AS detail
        FROM orders o JOIN stock_movements m ON m.reference = CONCAT('order:', o.id) AND m.reason IN ('order', 'cancellation')
        WHERE o.status = 'rejected'
        """,
    ),
    Check(
        "cancelled_orders_net_to_zero",
        "what a cancelled order took was returned, once",
        """
        SELECT CONCAT('order ', o.id) AS subject,
               CONCAT('cancelled; ', COALESCE(SUM(m.reason = 'order'), 0), ' movements out, ',
                      COALESCE(SUM(m.reason = 'cancellation'), 0), ' back, together ', COALESCE(SUM(m.delta), 0)) AS detail
        FROM orders o
        LEFT JOIN stock_movements m ON m.reference = CONCAT('order:', o.id) AND m.reason IN ('order', 'cancellation')
        WHERE o.status = 'cancelled'
          AND o.id NOT IN (
              SELECT CAST(JSON_VALUE(payload, '$.order_id') AS UNSIGNED) FROM outbox
              WHERE delivered_at IS NULL AND channel = 'order_stock_out' AND created_at > UTC_TIMESTAMP(6) - INTERVAL %(grace)s SECOND
                AND JSON_VALUE(payload, '$.event_type') = 'order_cancelled')
        GROUP BY o.id
        HAVING COALESCE(SUM(m.delta), 0) <> 0 OR COALESCE(SUM(m.reason = 'cancellation'), 0) <> 1
            OR COALESCE(SUM(m.reason = 'order'), 0) > 1
        """,
    ),
    Check(
        "procurements_moved_stock_once",
        "a procurement has exactly one movement, of its product and its quantity",
        """
        SELECT CONCAT('procurement ', b.id) AS subject,
               CONCAT('bought ', b.quantity, ' of product ', b.product_id, '; ',
                      COUNT(m.id), ' movements, together ', COALESCE(SUM(m.delta), 0)) AS detail
        FROM procurements b
        LEFT JOIN stock_movements m ON m.reference = CONCAT('procurement:', b.id) AND m.reason = 'procurement'
        GROUP BY b.id, b.quantity, b.product_id, b.timestamp
        HAVING (COUNT(m.id) <> 1 OR SUM(m.delta) <> b.quantity OR MIN(m.product_id) <> b.product_id)
           AND NOT (COUNT(m.id) = 0 AND b.timestamp > UTC_TIMESTAMP(6) - INTERVAL %(grace)s SECOND)
        """,
    ),
    Check(
        "movements_have_their_cause",
        "every movement names the order or procurement that caused it, or was made by hand for a known reason",
        """
        SELECT CONCAT('movement ', m.id) AS subject,
               CONCAT(m.delta, ' of product ', m.product_id, ' for ', m.reason, ', reference ',
                      COALESCE(m.reference, '(none)')) AS detail
        FROM stock_movements m
        LEFT JOIN orders o ON m.reason IN ('order', 'cancellation') AND o.id = CAST(SUBSTRING(m.reference, 7) AS UNSIGNED)
            AND m.reference = CONCAT('order:', o.id) AND o.product_id = m.product_id
        LEFT JOIN procurements b ON m.reason = 'procurement' AND b.id = CAST(SUBSTRING(m.reference, 13) AS UNSIGNED)
            AND m.reference = CONCAT('procurement:', b.id) AND b.product_id = m.product_id
        WHERE o.id IS NULL AND b.id IS NULL AND m.reason NOT IN ('opening', 'return', 'correction', 'damage', 'count')
        """,
    ),
    Check(
        "events_are_delivered",
        "no event waits in the outbox for longer than the grace",
        """
        SELECT CONCAT('event ', event_id) AS subject, CONCAT(channel, ', undelivered since ', created_at) AS detail
        FROM outbox WHERE delivered_at IS NULL AND NOT created_at > UTC_TIMESTAMP(6) - INTERVAL %(grace)s SECOND
        """,
    ),
    Check(
        "delivered_events_were_processed",
        "an event marked as delivered was processed by each consumer of its channel",
        """
        SELECT CONCAT('event ', o.event_id) AS subject, CONCAT(o.channel, ': marked delivered, but not processed by ', t.consumer) AS detail
        FROM outbox o
        JOIN JSON_TABLE(%(topology)s, '$[*]' COLUMNS (
            channel VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin PATH '$.channel',
            consumer VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin PATH '$.consumer')) t ON t.channel = o.channel
        LEFT JOIN processed_events p ON p.consumer = t.consumer AND p.event_id = o.event_id
        LEFT JOIN dead_letters d ON d.consumer = t.consumer AND d.event_id = o.event_id
        WHERE o.delivered_at IS NOT NULL AND p.event_id IS NULL AND d.event_id IS NULL
        """,
    ),
    Check(
        "no_dead_letters",
        "no event was given up on",
        """
        SELECT CONCAT('event ', event_id) AS subject,
               CONCAT(consumer, ', ', channel, ', after ', attempts, ' attempts: ', LEFT(reason, 200)) AS detail
        FROM dead_letters WHERE replayed_at IS NULL
        """,
    ),
    *(
        Check(f"{sums.table}_add_up", f"what is summed up of {sums.of.replace('_', ' ')} is what they come to", sums.mismatches())
        for sums in SUMS
    ),
)

# Where there are as many as this, more of the same tell nothing new.
MOST_SHOWN = 200
