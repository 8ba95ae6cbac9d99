// Power that goes while a release comes onto the ESP or leaves it.
#include <algorithm>
#include <iostream>

#include "releases_machine.hpp"

namespace lethe {
namespace {

struct Moment {
    Medium medium;
    std::string next;  ///< what would have come
};

/// An image and what lies beside it, as a boot takes them.
struct Bootable {
    std::string file;
    Octets image;
    BesideFiles beside;

    bool operator==(const Bootable&) const = default;
};

using Work = std::function<Result<void>(RecordedReleases&)>;

std::vector<Moment> record(Medium& medium, const Work& work) {
    std::vector<Moment> moments;
    const auto before = [&](const std::string& what) { moments.push_back({medium, what}); };
    RecordedReleases releases(medium, before);
    const auto done = work(releases);
    EXPECT_TRUE(done) << done.error().message;
    before("the end");
    return moments;
}

EspFiles without(EspFiles files, const std::string& version) {
    std::erase_if(files, [&](const auto& file) {
        return file.first.starts_with(std::string(RecordedEsp::folder) + "lethe_" + version + "+") ||
               file.first.starts_with(RecordedEsp::folder + ReleaseName{version}.file());
    });
    return files;
}

class ReleaseCuts : public testing::Test {
protected:
    ReleaseCuts() {
        RecordedReleases releases(medium);
        releases.put(other.file, other.image, other.beside);
        medium.write("state.a", as_octets("a store besides"));
        medium.sync("state.a");
        medium.sync_names("");
    }

    /// Cuts the work at every moment, and again while it is done anew. Leaves the medium as the work does.
    /// @param may_boot  of version 2, when power went.
    std::size_t cut(const Work& work, const std::vector<Bootable>& may_boot) {
        const EspFiles others = without(files_of(medium), "2");
        Medium worked = medium;
        const auto moments = record(worked, work);
        const EspFiles done = files_of(worked);
        EXPECT_EQ(worked.after_cut(2, random).size(), 1U) << "the end is not for good";
        std::size_t states = 0;
        for (const auto& moment : moments) {
            for (const Medium& left : moment.medium.after_cut(most_media(300), random)) {
                SCOPED_TRACE(std::format("cut before: {};{}", moment.next, left.story()));
                expect_nothing_torn(left, others, may_boot);
                expect_goes_on(left, work, done);
                if (random() % 4 == 0) cut_again(left, work, others, may_boot, done);
                ++states;
                if (HasFailure()) return states;
            }
        }
        std::cout << moments.size() << " moments, " << states << " states\n";
        medium = worked;
        return states;
    }

    void cut_again(Medium left, const Work& work, const EspFiles& others, const std::vector<Bootable>& may_boot, const EspFiles& done) {
        for (const auto& moment : record(left, work)) {
            for (const Medium& again : moment.medium.after_cut(10, random)) {
                SCOPED_TRACE(std::format("and again before: {};{}", moment.next, again.story()));
                expect_nothing_torn(again, others, may_boot);
                expect_goes_on(again, work, done);
            }
        }
    }

    static void expect_nothing_torn(Medium left, const EspFiles& others, const std::vector<Bootable>& may_boot) {
        EXPECT_EQ(without(files_of(left), "2"), others) << "another release was touched";
        RecordedReleases releases(left);
        const auto found = releases->list();
        ASSERT_TRUE(found) << found.error().message;
        for (const StoredRelease& release : *found) {
            if (release.name.version != "2" || !release.complete) continue;
            const Bootable bootable{release.name.file(), *left.read(RecordedEsp::folder + release.name.file()),
                                    releases->beside("2").value()};
            EXPECT_TRUE(std::ranges::contains(may_boot, bootable)) << bootable.file << " can be booted, and is torn";
        }
        // What is left of it is listed, and goes.
        EXPECT_EQ(std::ranges::contains(*found, "2", [](const StoredRelease& release) { return release.name.version; }),
                  files_of(left) != others);
        const auto removed = releases->remove("2");
        EXPECT_TRUE(removed) << removed.error().message;
        EXPECT_EQ(files_of(left), others);
    }

    static void expect_goes_on(Medium left, const Work& work, const EspFiles& done) {
        RecordedReleases releases(left);
        const auto worked = work(releases);
        EXPECT_TRUE(worked) << worked.error().message;
        EXPECT_EQ(files_of(left), done);
    }

    Work write(const Bootable& release) {
        return [=](RecordedReleases& releases) {
            return releases->write(parse_release_name(release.file).value(), release.image, release.beside);
        };
    }
    Work write_and_complete(const Bootable& release) {
        return [=, this](RecordedReleases& releases) -> Result<void> {
            TRY(write(release)(releases));
            return releases->complete(parse_release_name(release.file).value(), release.image);
        };
    }
    void put(const Bootable& release) { RecordedReleases(medium).put(release.file, release.image, release.beside); }

    Medium medium;
    Bootable other{"lethe_1.efi", image_of(1), {{"a.cred", some_octets("of the first")}}};
    Bootable staged{"lethe_2+3.efi", image_of(2), {{"a.cred", image_of(4, 700)}, {"tor.raw", some_octets("another tor")}}};
    std::mt19937 random = seeded_cuts();
};

TEST_F(ReleaseCuts, AWrite) { EXPECT_GT(cut(write(staged), {}), 50U); }

TEST_F(ReleaseCuts, TheCompletionOfARelease) {
    RecordedReleases releases(medium);
    ASSERT_TRUE(write(staged)(releases));
    const Work complete = [&](RecordedReleases& releases) { return releases->complete({"2", BootTries{3}}, staged.image); };
    EXPECT_GE(cut(complete, {staged}), 4U);
}

TEST_F(ReleaseCuts, AWriteAndACompletion) { EXPECT_GT(cut(write_and_complete(staged), {staged}), 50U); }

TEST_F(ReleaseCuts, AReleaseWithNothingBesideIt) {
    staged.beside.clear();
    EXPECT_GT(cut(write_and_complete(staged), {staged}), 20U);
}

TEST_F(ReleaseCuts, AWriteOverAnotherOfTheSameVersion) {
    const Bootable before{"lethe_2+1-2.efi", image_of(7, 2500), {{"a.cred", some_octets("old")}, {"old.cred", some_octets("old")}}};
    put(before);
    EXPECT_GT(cut(write_and_complete(staged), {before, staged}), 50U);
    staged.image = image_of(8, 1100);
    EXPECT_GT(cut(write_and_complete(staged), {{staged.file, image_of(2), staged.beside}, staged}), 50U);
}

TEST_F(ReleaseCuts, ARemoval) {
    put(staged);
    const Work remove = [](RecordedReleases& releases) { return releases->remove("2"); };
    EXPECT_GT(cut(remove, {staged}), 15U);
    EXPECT_EQ(files_of(medium), without(files_of(medium), "2"));
}

TEST_F(ReleaseCuts, ARemovalOfAReleaseWithNothingBesideIt) {
    staged.beside.clear();
    put(staged);
    EXPECT_GT(cut([](RecordedReleases& releases) { return releases->remove("2"); }, {staged}), 5U);
}

TEST_F(ReleaseCuts, ARemovalOfAReleaseThatIsNotComplete) {
    RecordedReleases releases(medium);
    ASSERT_TRUE(write(staged)(releases));
    EXPECT_GT(cut([](RecordedReleases& releases) { return releases->remove("2"); }, {}), 10U);
}

TEST_F(ReleaseCuts, ARemovalOnADiskThatIsFull) {
    put(staged);
    medium.room = medium.used();
    EXPECT_GT(cut([](RecordedReleases& releases) { return releases->remove("2"); }, {staged}), 15U);
}

}  // namespace
}  // namespace lethe
