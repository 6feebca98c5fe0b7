package freshet.trends;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** What events bring to rows, added up before it leaves for them: a row that everybody touches gets one part a bundle. */
final class Bundle {
    private final List<RowKind> kinds;
    private final Map<String, DecayedRow>[] rows;
    private final double[][] growths; // for each kind, of an event at `time`
    private long time;
    private long origin;
    private int size;

    @SuppressWarnings("unchecked")
    Bundle(List<RowKind> kinds) {
        this.kinds = kinds;
        rows = new Map[kinds.size()];
        growths = new double[kinds.size()][];
        clear();
    }

    private void clear() {
        for (int at = 0; at < rows.length; at++) {
            rows[at] = new HashMap<>();
        }
        size = 0;
    }

    /** Tells how many times something was added. */
    int size() {
        return size;
    }

    /** Lets a bundle that is empty weigh events as of a time. */
    void begin(long eventTime) {
        if (size == 0) {
            moveTo(eventTime);
        }
    }

    /** Weighs events as of another time: what is 900 half-lives older is nothing beside it. */
    private void moveTo(long eventTime) {
        origin = eventTime;
        for (RowKind kind : kinds) {
            rows[kind.at].values().forEach(row -> row.move(origin, kind.halfLives));
        }
        weigh(eventTime);
    }

    private void weigh(long eventTime) {
        time = eventTime;
        for (RowKind kind : kinds) {
            growths[kind.at] = DecayedRow.growth(time, origin, kind.halfLives);
        }
    }

    /** Returns a row, to which this bundle adds. */
    DecayedRow row(RowKind kind, String key) {
        size++;
        return rows[kind.at].computeIfAbsent(key, none -> new DecayedRow(origin));
    }

    /** Returns what an event at a time weighs in the rows of a kind: many pairs share the time of one event. */
    double[] growth(RowKind kind, long eventTime) {
        if (eventTime != time) {
            if (kinds.stream().anyMatch(one -> DecayedRow.isBeyond(eventTime - origin, one.halfLives))) {
                moveTo(eventTime);
            } else {
                weigh(eventTime);
            }
        }
        return growths[kind.at];
    }

    void addTotal(RowKind kind, String key, double weight, long eventTime) {
        row(kind, key).addTotal(weight, growth(kind, eventTime));
    }

    void add(RowKind kind, String key, String member, double weight, long eventTime) {
        row(kind, key).add(member, weight, growth(kind, eventTime));
    }

    void touch(RowKind kind, String key, long eventTime, int events) {
        row(kind, key).touch(eventTime, events);
    }

    /** Hands over all rows and begins anew. */
    void flush(Consumer<RowPart> out) {
        for (RowKind kind : kinds) {
            rows[kind.at].forEach((key, row) -> out.accept(new RowPart(RowPart.place(kind, key), row)));
        }
        clear();
    }
}
