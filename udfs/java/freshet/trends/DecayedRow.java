package freshet.trends;

import freshet.features.Record;
import freshet.features.Wire;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * Decayed counts of a row's members, and of the row itself; {@code udfs/decayed_rows.py} is the specification.
 *
 * <p>Counts are kept as they would be worth at the instant {@link #origin}: so nothing needs to be touched to decay, and what is
 * later simply weighs more. Rows add up: in whatever order and in whatever parts the same events come, the sums are the same,
 * but for rounding and for what {@link #prune} has left out.
 */
final class DecayedRow {
    static final double NOTHING = 1e-9; // a count that has decayed to less is none
    static final double RANGE = 900.0; // half-lives that the exponent of a double has room for, to either side
    private static final double[] NONE = {};

    long asOf = Long.MIN_VALUE; // the time of the newest event
    long since = Long.MAX_VALUE; // and of the oldest, which only first times are asked for
    long count; // with the time of the newest event the version of the row
    boolean isDue; // it has changed, and a timer is set to write it
    private long origin;
    private double[] total = NONE;
    private Map<String, double[]> members;

    DecayedRow(long origin) {
        this(origin, new HashMap<>(4));
    }

    private DecayedRow(long origin, Map<String, double[]> members) {
        this.origin = origin;
        this.members = members;
    }

    /** Returns an empty row of the same origin. */
    static DecayedRow like(DecayedRow other) {
        return new DecayedRow(other.origin);
    }

    /** Returns what one event at a time weighs in rows of an origin, for each half-life. */
    static double[] growth(long time, long origin, double[] halfLives) {
        double[] growth = new double[halfLives.length];
        for (int at = 0; at < growth.length; at++) {
            growth[at] = time == origin ? 1.0 : Math.pow(2.0, (time - origin) / halfLives[at]);
        }
        return growth;
    }

    void touch(long time, int events) {
        asOf = Math.max(asOf, time);
        since = Math.min(since, time);
        count += events;
    }

    void addTotal(double weight, double[] growth) {
        if (total.length == 0) {
            total = new double[growth.length];
        }
        add(total, weight, growth);
    }

    void add(String member, double weight, double[] growth) {
        double[] cell = members.get(member);
        if (cell == null) {
            cell = new double[growth.length];
            members.put(member, cell);
        }
        add(cell, weight, growth);
    }

    private static void add(double[] cell, double weight, double[] growth) {
        for (int at = 0; at < growth.length; at++) {
            cell[at] += weight * growth[at];
        }
    }

    /** Adds another row of any origin to this one; new members are taken from {@code names}. */
    void merge(DecayedRow other, double[] halfLives, Names names) {
        asOf = Math.max(asOf, other.asOf);
        since = Math.min(since, other.since);
        count += other.count;
        if (halfLives.length > 0 && isBeyond(other.asOf - origin, halfLives)) {
            move(other.origin, halfLives);
        }
        double[] growth = growth(other.origin, origin, halfLives);
        if (other.total.length > 0) {
            total = total.length == 0 ? new double[growth.length] : total;
            addGrown(total, other.total, growth);
        }
        other.members.forEach((member, cell) -> {
            double[] known = members.get(member);
            if (known == null) {
                known = new double[growth.length];
                members.put(names.one(member), known);
            }
            addGrown(known, cell, growth);
        });
    }

    private static void addGrown(double[] cell, double[] other, double[] growth) {
        for (int at = 0; at < growth.length; at++) {
            cell[at] += other[at] * growth[at];
        }
    }

    /** Tells whether something so much later is too heavy beside the origin for a double. */
    static boolean isBeyond(long ms, double[] halfLives) {
        for (double halfLife : halfLives) {
            if (ms > RANGE * halfLife) {
                return true;
            }
        }
        return false;
    }

    /** Keeps counts as they would be worth at another instant. */
    void move(long to, double[] halfLives) {
        double[] growth = growth(origin, to, halfLives);
        for (double[] cell : members.values()) {
            scale(cell, growth);
        }
        scale(total, growth);
        origin = to;
    }

    private static void scale(double[] cell, double[] growth) {
        for (int at = 0; at < cell.length; at++) {
            cell[at] *= growth[at];
        }
    }

    /** Leaves the {@code keep} members with the highest rates, and those equal to the last, once there are half as many again. */
    void prune(int keep, double[] halfLives) {
        if (members.size() > keep + keep / 2) {
            double[] shares = shares(halfLives);
            double[] rates = new double[members.size()];
            int at = 0;
            for (double[] cell : members.values()) {
                rates[at++] = weighed(cell, shares);
            }
            Arrays.sort(rates);
            double least = rates[at - keep];
            members.values().removeIf(cell -> weighed(cell, shares) < least);
        }
    }

    /** Returns by what counts are to be multiplied to add up to a rate: events in the first half-life, as of the newest event. */
    private double[] shares(double[] halfLives) {
        double[] shares = growth(origin, asOf, halfLives);
        for (int at = 0; at < shares.length; at++) {
            shares[at] *= halfLives[0] / halfLives[at];
        }
        return shares;
    }

    /** Returns the members with the highest rates, highest first. */
    private List<Map.Entry<String, double[]>> best(int most, double[] halfLives) {
        double[] shares = shares(halfLives);
        List<Map.Entry<String, double[]>> all = new ArrayList<>(members.size());
        long[] ranked = new long[members.size()]; // a rate above the place in the list: floats above 0 sort as their bits do
        for (Map.Entry<String, double[]> one : members.entrySet()) {
            float rate = (float) weighed(one.getValue(), shares);
            if (rate > NOTHING) {
                ranked[all.size()] = (long) Float.floatToRawIntBits(rate) << Integer.SIZE | all.size();
                all.add(one);
            }
        }
        Arrays.sort(ranked, 0, all.size());
        List<Map.Entry<String, double[]>> best = new ArrayList<>(Math.min(most, all.size()));
        for (int at = all.size() - 1; at >= Math.max(0, all.size() - most); at--) {
            best.add(all.get((int) ranked[at]));
        }
        return best;
    }

    private static double weighed(double[] cell, double[] shares) {
        double sum = 0.0;
        for (int at = 0; at < shares.length; at++) {
            sum += cell[at] * shares[at];
        }
        return sum;
    }

    /** Returns the row as it stands in the store; the first field is its version. */
    String json(int emit, double[] halfLives) {
        double[] decay = growth(origin, asOf, halfLives);
        List<Map.Entry<String, double[]>> best = best(emit, halfLives);
        StringBuilder json = new StringBuilder(64 + 24 * best.size());
        json.append("{\"version\":\"").append(asOf).append('-').append(count).append("\",\"totals\":");
        Json.array(json, decay.length, at -> json.append(total.length == 0 ? 0f : (float) (total[at] * decay[at])));
        json.append(",\"ids\":");
        Json.array(json, best.size(), at -> Json.text(json, best.get(at).getKey()));
        json.append(",\"counts\":");
        Json.array(
                json,
                decay.length,
                life -> Json.array(
                        json, best.size(), at -> json.append((float) (best.get(at).getValue()[life] * decay[life]))));
        return json.append('}').toString();
    }

    /** Serializes rows: the state of the operator that holds them, and the parts that are added to it. */
    public static final class Serializer extends Record.Serializer<DecayedRow> {

        @Override
        public boolean isImmutableType() {
            return false;
        }

        @Override
        public DecayedRow createInstance() {
            return new DecayedRow(0);
        }

        @Override
        public DecayedRow copy(DecayedRow from) {
            DecayedRow copied = new DecayedRow(from.origin, new HashMap<>(2 * from.members.size()));
            copied.asOf = from.asOf;
            copied.since = from.since;
            copied.count = from.count;
            copied.isDue = from.isDue;
            copied.total = from.total.clone();
            from.members.forEach((member, cell) -> copied.members.put(member, cell.clone()));
            return copied;
        }

        @Override
        public DecayedRow copy(DecayedRow from, DecayedRow reuse) {
            return copy(from);
        }

        @Override
        public void serialize(DecayedRow row, DataOutputView target) throws IOException {
            target.writeLong(row.asOf);
            target.writeLong(row.since);
            target.writeLong(row.count);
            target.writeBoolean(row.isDue);
            target.writeLong(row.origin);
            Wire.writeDoubles(target, row.total);
            Wire.writeSize(target, row.members.size());
            for (Map.Entry<String, double[]> one : row.members.entrySet()) {
                Wire.writeText(target, one.getKey());
                Wire.writeDoubles(target, one.getValue());
            }
        }

        @Override
        public DecayedRow deserialize(DataInputView source) throws IOException {
            long asOf = source.readLong();
            long since = source.readLong();
            long count = source.readLong();
            boolean isDue = source.readBoolean();
            DecayedRow row = new DecayedRow(source.readLong());
            row.asOf = asOf;
            row.since = since;
            row.count = count;
            row.isDue = isDue;
            row.total = Wire.readDoubles(source);
            for (int left = Wire.readSize(source); left > 0; left--) {
                row.members.put(Wire.readText(source), Wire.readDoubles(source));
            }
            return row;
        }

        @Override
        public TypeSerializerSnapshot<DecayedRow> snapshotConfiguration() {
            return new Snapshot();
        }

        /** The first format. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<DecayedRow> {
            public Snapshot() {
                super(Serializer::new);
            }
        }
    }
}
