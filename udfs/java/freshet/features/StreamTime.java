package freshet.features;

/**
 * What time it is in the stream: that of its newest event, and from then on as the clock runs.
 *
 * <p>So it is the clock less one number, the smallest lag behind the clock that an event has come with. Windows end by it
 * although nobody sends anything more. An event from the future does not move it past the clock. A stream that replays the past
 * and falls silent is idle: others need not wait for it.
 *
 * <p>After a restart a stream tells its time by the events that come; if none comes, by the lag that it had before. One that
 * never had an event has no time, and is idle.
 *
 * <p>All times are in milliseconds; the clock is the caller's.
 */
public final class StreamTime {
    /** No time yet. */
    public static final long UNKNOWN = Long.MIN_VALUE;

    static final long LIVE_MS = 60_000; // a stream with a smaller lag is no replay of the past
    static final long SILENT_MS = 5_000;
    private static final long NONE = Long.MAX_VALUE;

    private long lag = NONE;
    private long lagBefore = NONE;
    private long lastEventAt;

    /** Begins with no event. */
    public StreamTime(long clock) {
        lastEventAt = clock;
    }

    /** Takes over the lag of a run before; of several, the smallest. */
    public void restore(long lagOfBefore) {
        lagBefore = Math.min(lagBefore, lagOfBefore);
    }

    /** Sees an event. */
    public void event(long eventTime, long clock) {
        lag = Math.min(lag, Math.max(0, clock - eventTime));
        lastEventAt = clock;
    }

    /** Returns the time, or {@link #UNKNOWN}. */
    public long at(long clock) {
        if (lag == NONE && isSilent(clock)) {
            lag = lagBefore;
        }
        return lag == NONE ? UNKNOWN : clock - lag;
    }

    /** Tells whether nobody should wait for this stream. */
    public boolean isIdle(long clock) {
        long time = at(clock);
        return isSilent(clock) && (time == UNKNOWN || clock - time > LIVE_MS);
    }

    /** Returns what a later run needs to go on from here; negative when there is nothing yet. */
    public long lag() {
        long known = lag == NONE ? lagBefore : lag;
        return known == NONE ? -1 : known;
    }

    private boolean isSilent(long clock) {
        return clock - lastEventAt > SILENT_MS;
    }
}
