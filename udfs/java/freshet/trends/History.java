package freshet.trends;

import freshet.features.Wire;
import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The latest visits of one user for one trend, in the order in which they happened. */
final class History {
    static final int TOO_LATE = -1;

    final List<Visit> visits = new ArrayList<>(4);
    long quietAt; // when a session is over unless something comes, by the clock; 0 where nothing waits
    private boolean isCut;

    /** Puts a visit in its place and returns that, unless more than {@code slack} later ones have been cut off from what was before. */
    int insert(Visit visit, int slack) {
        int at = visits.size();
        while (at > 0 && visits.get(at - 1).isAfter(visit)) {
            at--;
        }
        if (isCut && visits.size() - at > slack) {
            return TOO_LATE;
        }
        visits.add(at, visit);
        return at;
    }

    void cut(int capacity) {
        while (visits.size() > capacity) {
            visits.remove(0);
            isCut = true;
        }
    }

    void clear() {
        visits.clear();
        isCut = false;
    }

    Visit last() {
        return visits.get(visits.size() - 1);
    }

    void write(DataOutput out) throws IOException {
        out.writeBoolean(isCut);
        out.writeLong(quietAt);
        Wire.writeSize(out, visits.size());
        for (Visit visit : visits) {
            Wire.writeText(out, visit.item);
            out.writeLong(visit.time);
            out.writeLong(visit.position);
            out.writeDouble(visit.weight);
            Wire.writeValue(out, visit.context);
        }
    }

    static History read(DataInput in) throws IOException {
        History history = new History();
        history.isCut = in.readBoolean();
        history.quietAt = in.readLong();
        for (int left = Wire.readSize(in); left > 0; left--) {
            history.visits.add(new Visit(
                    Wire.readText(in), in.readLong(), in.readLong(), in.readDouble(), (String) Wire.readValue(in)));
        }
        return history;
    }
}
