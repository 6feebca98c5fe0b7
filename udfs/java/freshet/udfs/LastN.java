package freshet.udfs;

import java.util.Arrays;
import org.apache.flink.table.functions.AggregateFunction;

/**
 * {@code freshet_last_n(value, event_time, position, n)}: the values of the {@code n} latest events, newest first.
 *
 * <p>{@code position} orders the events of one instant: the place in the log. A null value takes no place.
 *
 * @see LastNDistinct
 */
public class LastN extends AggregateFunction<String[], LastN.Latest> {

    /** Up to n values with their times and positions, newest first. */
    public static class Latest {
        public long[] times = {};
        public long[] positions = {};
        public String[] values = {};

        void add(String value, long time, long position, int n) {
            int at = 0;
            while (at < times.length && isAfter(at, time, position)) {
                at++;
            }
            if (at < n) {
                times = insert(times, at, time, n);
                positions = insert(positions, at, position, n);
                values = insert(values, at, value, n);
            }
        }

        int indexOf(String value) {
            int at = values.length - 1;
            while (at >= 0 && !values[at].equals(value)) {
                at--;
            }
            return at;
        }

        void remove(int at) {
            times = without(times, at);
            positions = without(positions, at);
            String[] kept = Arrays.copyOf(values, values.length - 1);
            System.arraycopy(values, at + 1, kept, at, kept.length - at);
            values = kept;
        }

        private static long[] without(long[] old, int at) {
            long[] kept = Arrays.copyOf(old, old.length - 1);
            System.arraycopy(old, at + 1, kept, at, kept.length - at);
            return kept;
        }

        boolean isAfter(int at, long time, long position) {
            return times[at] > time || (times[at] == time && positions[at] > position);
        }

        private static long[] insert(long[] old, int at, long value, int most) {
            long[] grown = Arrays.copyOf(old, Math.min(old.length + 1, most));
            System.arraycopy(old, at, grown, at + 1, grown.length - at - 1);
            grown[at] = value;
            return grown;
        }

        private static String[] insert(String[] old, int at, String value, int most) {
            String[] grown = Arrays.copyOf(old, Math.min(old.length + 1, most));
            System.arraycopy(old, at, grown, at + 1, grown.length - at - 1);
            grown[at] = value;
            return grown;
        }
    }

    @Override
    public Latest createAccumulator() {
        return new Latest();
    }

    public void accumulate(Latest latest, String value, Long eventTime, Long position, Integer n) {
        if (value != null) {
            latest.add(value, eventTime, position, n);
        }
    }

    @Override
    public String[] getValue(Latest latest) {
        return latest.values;
    }
}
