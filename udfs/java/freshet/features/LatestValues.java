package freshet.features;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/** What is kept of the latest values, within a window if there is one (0: there is none). */
abstract class LatestValues extends Aggregate<Latest> {
    final int n;
    private final long window;

    LatestValues(int n, long window) {
        this.n = n;
        this.window = window;
    }

    @Override
    Latest zero() {
        return new Latest();
    }

    /** Returns how many of the values, newest first, the window holds. */
    int within(Latest state, long now) {
        return window == 0 ? state.times.length : state.countAfter(now - window);
    }

    @Override
    boolean isOutside(long time, long now) {
        return window > 0 && time <= now - window;
    }

    @Override
    long expiry(Latest state, long now) {
        return window == 0 || within(state, now) == 0 ? NEVER : state.times[0] + window;
    }

    static String[] texts(Latest state, int count) {
        String[] texts = new String[count];
        for (int at = 0; at < count; at++) {
            texts[at] = (String) state.values[at];
        }
        return texts;
    }

    @Override
    void write(Latest state, DataOutput out) throws IOException {
        state.write(out);
    }

    @Override
    Latest read(DataInput in) throws IOException {
        return Latest.read(in);
    }
}
