package freshet.trends;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * Items of one basket, in each other's rows; a row's total counts the baskets that hold its item. The one row of
 * {@code baskets} counts all baskets, and its members' counts are those that hold them.
 *
 * <p>An item counts once in a basket, at the time when it was last put there; a pair and a basket count at the latest of such
 * times.
 */
final class Together extends Trend {
    static final String ALL = "all";

    private final RowKind baskets;
    private final int capacity;

    Together(JsonNode json, RowKind rows, RowKind baskets) {
        super(json, rows);
        this.baskets = baskets;
        capacity = json.get("n").asInt();
    }

    @Override
    boolean see(Visit visit, String[] contexts, History history, Bundle bundle) {
        if (contexts[0] == null) {
            return true;
        }
        Visit put = new Visit(visit.item, visit.time, visit.position, 1.0, contexts[0]);
        Visit before = same(put, history);
        if (before != null && before.time >= put.time) {
            return true;
        }
        if (history.insert(put, capacity - 1) == History.TOO_LATE) {
            return false;
        }
        history.visits.remove(before);
        count(put, before, history, bundle);
        history.cut(capacity);
        return true;
    }

    private static Visit same(Visit visit, History history) {
        for (Visit one : history.visits) {
            if (one.context.equals(visit.context) && one.item.equals(visit.item)) {
                return one;
            }
        }
        return null;
    }

    private void count(Visit put, Visit before, History history, Bundle bundle) {
        long was = before == null ? Long.MIN_VALUE : before.time;
        long basketWas = was;
        for (Visit other : history.visits) {
            if (other != put && other.context.equals(put.context)) {
                basketWas = Math.max(basketWas, other.time);
                long pairWas = before == null ? was : Math.max(was, other.time);
                long pairIs = Math.max(put.time, other.time);
                member(rows, put.item, other.item, pairWas, pairIs, bundle);
                member(rows, other.item, put.item, pairWas, pairIs, bundle);
                bundle.touch(rows, put.item, pairIs, before == null ? 1 : 0);
                bundle.touch(rows, other.item, pairIs, before == null ? 1 : 0);
            }
        }
        total(rows, put.item, was, put.time, bundle);
        member(baskets, ALL, put.item, was, put.time, bundle);
        total(baskets, ALL, basketWas, Math.max(basketWas, put.time), bundle);
        bundle.touch(rows, put.item, put.time, before == null ? 1 : 0);
        bundle.touch(baskets, ALL, put.time, before == null ? 1 : 0);
    }

    /** Moves a count of one from a time to another; it is new if it was at no time. */
    private static void member(RowKind kind, String key, String member, long was, long is, Bundle bundle) {
        if (was != Long.MIN_VALUE && was != is) {
            bundle.add(kind, key, member, -1.0, was);
        }
        if (was != is) {
            bundle.add(kind, key, member, 1.0, is);
        }
    }

    private static void total(RowKind kind, String key, long was, long is, Bundle bundle) {
        if (was != Long.MIN_VALUE && was != is) {
            bundle.addTotal(kind, key, -1.0, was);
        }
        if (was != is) {
            bundle.addTotal(kind, key, 1.0, is);
        }
    }
}
