package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.io.Serializable;

/**
 * The arithmetic of one feature: frozen configuration over a state {@code S} that takes events in any order.
 *
 * <p>Times are in milliseconds. {@code now} is the time of the key: the newest instant that it has been evaluated for, never
 * older than any of its events. What a state holds after some events does not depend on the order in which they came.
 */
abstract class Aggregate<S> implements Serializable {
    static final long NEVER = Long.MAX_VALUE;

    /** Returns the state before the first event. */
    abstract S zero();

    /**
     * Adds one event to a state, in place.
     *
     * @param value what the event brings: a {@code Double}, a {@code String} or a {@code double[]}; null if the feature's filter leaves it out
     * @param position orders the events of one instant
     * @return false if the event should count and cannot, because it came too late
     */
    abstract boolean add(S state, Object value, long time, long position, long now);

    /** Tells whether an event of that time is by definition no part of the value at {@code now}, nor of any later one. */
    boolean isOutside(long time, long now) {
        return false;
    }

    /** Returns the value at {@code now}: Long, Double, String, String[], long[], double[], or null for none. */
    abstract Object result(S state, long now);

    /** Returns the first instant after {@code now} at which nothing that is in the value now is left; or {@link #NEVER}. */
    long expiry(S state, long now) {
        return NEVER;
    }

    abstract void write(S state, DataOutput out) throws IOException;

    abstract S read(DataInput in) throws IOException;
}
